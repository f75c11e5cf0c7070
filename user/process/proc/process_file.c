/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, links and memory of a process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/strbuf.h"
#include "process/proc/proc_text.h"
#include "process/proc/process.h"

#define CMDLINE_MAX_BYTES ((size_t)64 << 10)
#define LINK_MAX_BYTES    ((size_t)64 << 10)
#define OPENAT2_ATTEMPTS  16

int process_exe(int pid, char **ret_path)
{
	_cleanup_free_ char *link = proc_path(pid, "exe");

	if (!link)
		return -ENOMEM;
	for (size_t capacity = 256; capacity <= LINK_MAX_BYTES; capacity *= 4) {
		_cleanup_free_ char *target = malloc(capacity);
		ssize_t len;

		if (!target)
			return -ENOMEM;
		len = readlink(link, target, capacity);
		if (len < 0)
			return proc_error(pid, errno);
		if ((size_t)len < capacity) {
			target[len] = '\0';
			*ret_path = no_free_ptr(target);
			return 0;
		}
	}
	return -ENAMETOOLONG;
}

int process_cmdline(int pid, char **ret_text)
{
	_cleanup_free_ char *path = proc_path(pid, "cmdline");
	_cleanup_free_ char *text = malloc(CMDLINE_MAX_BYTES + 1);
	_cleanup_close_ int fd = -1;
	char *shorter;
	size_t size;
	int err;

	if (!path || !text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return proc_error(pid, errno);
	err = pread_full(fd, text, CMDLINE_MAX_BYTES, 0, &size);
	if (err)
		return proc_error(pid, -err);
	while (size && text[size - 1] == '\0')
		size--;
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[size] = '\0';
	/* Most are short, and kept for long. */
	shorter = realloc(text, size + 1);
	if (shorter)
		text = shorter;
	*ret_text = no_free_ptr(text);
	return 0;
}

int process_thread_comm(int pid, uint32_t tid, char ret_comm[PROCESS_COMM_BYTES])
{
	_cleanup_close_ int fd = -1;
	char path[64];
	size_t size;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = pread_full(fd, ret_comm, PROCESS_COMM_BYTES - 1, 0, &size);
	if (err)
		return err;
	if (size && ret_comm[size - 1] == '\n')
		size--;
	ret_comm[size] = '\0';
	return 0;
}

/*
 * The descriptor was opened with O_PATH, which touches nothing, so it is safe to look first. Opened again
 * through /proc/self/fd it is the same file, wherever its path leads by now.
 */
static int reopen_regular(int path_fd)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	struct stat st;
	int fd;

	if (fstat(path_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (strbuf_addf(&name, "/proc/self/fd/%d", path_fd))
		return -ENOMEM;
	fd = open(name.buf, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int open_in_root(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	/* -EAGAIN: something was renamed meanwhile and the kernel cannot rule out an escape (openat2(2)). */
	for (int i = 0; i < OPENAT2_ATTEMPTS; i++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int process_open_file(int pid, const char *path)
{
	_cleanup_free_ char *root = proc_path(pid, "root");
	_cleanup_close_ int root_fd = -1;
	_cleanup_close_ int path_fd = -1;

	if (!root)
		return -ENOMEM;
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return proc_error(pid, errno);
	path_fd = open_in_root(root_fd, path);
	return path_fd < 0 ? path_fd : reopen_regular(path_fd);
}

int process_open_mapped(int pid, uint64_t start, uint64_t end)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int path_fd = -1;

	if (strbuf_addf(&path, "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)start,
			(unsigned long long)end))
		return -ENOMEM;
	path_fd = open(path.buf, O_PATH | O_CLOEXEC);
	return path_fd < 0 ? proc_error(pid, errno) : reopen_regular(path_fd);
}

int process_read_memory(int pid, uint64_t address, void *ret_bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		struct iovec local = {(char *)ret_bytes + done, size - done};
		struct iovec remote = {(void *)(uintptr_t)(address + done), size - done};
		ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

		if (n < 0)
			return errno == EPERM ? -EACCES : -errno;
		if (n == 0)
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}
