/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "process/proc/memory_internal.h"

/* The longest of these files: some 60 lines of status, with lists of CPUs and groups. */
#define TEXT_MAX_BYTES 16384

static const char *const file_names[] = {
#define X(upper, name) [HANDLE_##upper] = (name),
	PROCESS_HANDLE_FILES(X)
#undef X
};

void process_handle_done(struct process_handle *handle)
{
	for (int i = 0; i < PROCESS_HANDLE_FILE_COUNT; i++) {
		if (handle->fds[i] >= 0)
			close(handle->fds[i]);
		handle->fds[i] = -1;
	}
}

static int gone_or(int err)
{
	return err == ENOENT || err == ESRCH ? -ESRCH : err == EPERM ? -EACCES : -err;
}

static int open_file(const struct process_handle *handle, enum process_handle_file file)
{
	int fd = openat(handle->fds[HANDLE_DIRECTORY], file_names[file], O_RDONLY | O_CLOEXEC);

	return fd < 0 ? gone_or(errno) : fd;
}

static int open_directory(int pid)
{
	_cleanup_free_ char *path = proc_path(pid, "");
	int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	return !path ? -ENOMEM : fd < 0 ? gone_or(errno) : fd;
}

static int open_files(struct process_handle *handle)
{
	for (int i = HANDLE_STAT; i < PROCESS_HANDLE_FILE_COUNT; i++) {
		int fd = open_file(handle, (enum process_handle_file)i);

		if (fd < 0 && (i != HANDLE_ROLLUP || fd != -EACCES))
			return fd;
		handle->fds[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

int process_handle_open(int pid, struct process_handle *ret)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_stat stat;
	int err = pid > 0 ? open_directory(pid) : -ESRCH;

	if (err < 0)
		return err;
	handle.fds[HANDLE_DIRECTORY] = err;
	err = open_files(&handle);
	if (!err)
		err = process_handle_stat(&handle, &stat);
	if (err)
		return err;
	handle.key = stat.key;
	*ret = handle;
	handle = (struct process_handle)PROCESS_HANDLE_INIT;
	return 0;
}

int process_handle_reopen(struct process_handle *handle)
{
	int fd = open_file(handle, HANDLE_ROLLUP);

	if (fd < 0)
		return fd;
	if (handle->fds[HANDLE_ROLLUP] >= 0)
		close(handle->fds[HANDLE_ROLLUP]);
	handle->fds[HANDLE_ROLLUP] = fd;
	return 0;
}

/* The file's text as it is now: these are made anew where they are read from the beginning. */
static int read_text(const struct process_handle *handle, enum process_handle_file file,
		     char buffer[TEXT_MAX_BYTES], struct text *ret)
{
	size_t size;
	int err;

	if (handle->fds[file] < 0)
		return -EACCES;
	err = pread_full(handle->fds[file], buffer, TEXT_MAX_BYTES, 0, &size);
	if (err)
		return gone_or(-err);
	*ret = (struct text){buffer, buffer + size};
	return size == TEXT_MAX_BYTES ? -EFBIG : 0;
}

int process_handle_stat(const struct process_handle *handle, struct process_stat *ret)
{
	char buffer[TEXT_MAX_BYTES];
	struct text text;
	int err = read_text(handle, HANDLE_STAT, buffer, &text);

	return err ? err : process_stat_parse(text.p, (size_t)(text.end - text.p), ret);
}

int process_handle_memory(const struct process_handle *handle, bool full,
			  struct process_memory *ret)
{
	struct process_memory memory = {.full = full};
	char buffer[TEXT_MAX_BYTES];
	struct text text;
	int err = read_text(handle, HANDLE_STATM, buffer, &text);

	if (!err)
		err = memory_parse_statm(text, &memory);
	if (!err && full) {
		err = read_text(handle, HANDLE_STATUS, buffer, &text);
		if (!err)
			memory_parse_status(text, &memory);
	}
	/* A zombie has no page tables to walk. */
	if (!err && full && memory.vms_bytes) {
		err = read_text(handle, HANDLE_ROLLUP, buffer, &text);
		if (!err)
			memory_parse_rollup(text, &memory);
	}
	if (err)
		return err;
	*ret = memory;
	return 0;
}
