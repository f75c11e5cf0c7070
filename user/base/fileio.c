/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/units.h"

#define TEMP_NAME_TRIES 16

int file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_size)
{
	return file_read_at(AT_FDCWD, path, max_bytes, ret_data, ret_size);
}

int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, max_bytes, ret_data, ret_size);
}

static ssize_t read_retry(int fd, void *buffer, size_t size)
{
	ssize_t got;

	do {
		got = read(fd, buffer, size);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int file_read_fd(int fd, size_t max_bytes, char **ret_data, size_t *ret_size)
{
	_cleanup_(strbuf_done) struct strbuf data = STRBUF_INIT;
	struct stat st;
	size_t first = 4096;
	char *detached;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		first = (uint64_t)st.st_size < max_bytes ? (size_t)st.st_size + 1 : max_bytes;
	if (strbuf_reserve(&data, first))
		return -ENOMEM;
	for (;;) {
		ssize_t got;

		if (data.capacity - data.len < 2 && strbuf_reserve(&data, 4096))
			return -ENOMEM;
		got = read_retry(fd, data.buf + data.len, data.capacity - data.len - 1);
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		data.len += (size_t)got;
		data.buf[data.len] = '\0';
		if (data.len > max_bytes)
			return -EFBIG;
	}
	detached = strbuf_detach(&data, ret_size);
	if (!detached)
		return -ENOMEM;
	*ret_data = detached;
	return 0;
}

int pread_full(int fd, void *buffer, size_t size, uint64_t offset, size_t *ret_read)
{
	size_t done = 0;

	while (done < size) {
		uint64_t at;
		ssize_t got;

		if (__builtin_add_overflow(offset, done, &at) || at > INT64_MAX)
			return -EOVERFLOW;
		got = pread(fd, (char *)buffer + done, size - done, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_read = done;
	return 0;
}

int write_full(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t put = write(fd, at, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		at += put;
		size -= (size_t)put;
	}
	return 0;
}

static int open_parent(const char *path, struct strbuf *name)
{
	_cleanup_(strbuf_done) struct strbuf dir = STRBUF_INIT;
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	int fd;

	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return -EISDIR;
	strbuf_add(&dir, path, slash ? (size_t)(slash - path) + 1 : 0);
	strbuf_addstr(name, base);
	if (dir.failed || name->failed)
		return -ENOMEM;
	fd = open(dir.len ? dir.buf : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A device or FIFO is written as it is; everything that would need a link to be followed is
 * refused. */
static int open_in_place(int dir_fd, const char *name, mode_t mode)
{
	int fd;

	if (S_ISLNK(mode))
		return -ELOOP;
	if (S_ISDIR(mode))
		return -EISDIR;
	if (!S_ISCHR(mode) && !S_ISFIFO(mode))
		return -EINVAL;
	fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Under sudo the report is for who called it: mode 0600 and owned by root nobody else could read it. A failure
 * leaves it root's. */
static void give_to_caller(int fd)
{
	const char *uid_text = getenv("SUDO_UID"), *gid_text = getenv("SUDO_GID");
	uint64_t uid, gid;

	if (geteuid() || !uid_text || !gid_text || units_parse_u64(uid_text, &uid) ||
	    units_parse_u64(gid_text, &gid) || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return;
	if (fchown(fd, (uid_t)uid, (gid_t)gid) < 0)
		return;
}

static int open_temp(int dir_fd, const char *name, struct strbuf *temp)
{
	for (int i = 0; i < TEMP_NAME_TRIES; i++) {
		int fd;

		strbuf_reset(temp);
		/* a name near NAME_MAX must not make the temporary one too long */
		if (strbuf_addf(temp, ".%.200s.%08x", name, (unsigned int)hash_seed_random()))
			return -ENOMEM;
		fd = openat(dir_fd, temp->buf, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0) {
			give_to_caller(fd);
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	strbuf_reset(temp);
	return -errno;
}

int file_writer_open(struct file_writer *w, const char *path)
{
	_cleanup_(file_writer_abort) struct file_writer opened = FILE_WRITER_INIT;
	struct stat st;

	opened.dir_fd = open_parent(path, &opened.name);
	if (opened.dir_fd < 0)
		return opened.dir_fd;
	if (fstatat(opened.dir_fd, opened.name.buf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode))
			opened.fd = open_in_place(opened.dir_fd, opened.name.buf, st.st_mode);
		else
			opened.fd = open_temp(opened.dir_fd, opened.name.buf, &opened.temp);
	} else if (errno == ENOENT) {
		opened.fd = open_temp(opened.dir_fd, opened.name.buf, &opened.temp);
	} else {
		opened.fd = -errno;
	}
	if (opened.fd < 0)
		return opened.fd;
	*w = opened;
	opened = (struct file_writer)FILE_WRITER_INIT;
	return 0;
}

int file_writer_commit(struct file_writer *w)
{
	int err = 0;

	if (w->fd < 0)
		return -EBADF;
	/* close(2) tells of a full disk or quota on some file systems */
	if (close(take_fd(&w->fd)) < 0)
		err = -errno;
	if (!err && w->temp.len) {
		if (renameat(w->dir_fd, w->temp.buf, w->dir_fd, w->name.buf) < 0)
			err = -errno;
		else
			strbuf_reset(&w->temp);
	}
	file_writer_abort(w);
	return err;
}

void file_writer_abort(struct file_writer *w)
{
	int saved = errno;

	if (w->fd >= 0)
		close(w->fd);
	if (w->temp.len)
		unlinkat(w->dir_fd, w->temp.buf, 0);
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	strbuf_done(&w->name);
	strbuf_done(&w->temp);
	*w = (struct file_writer)FILE_WRITER_INIT;
	errno = saved;
}

int file_write(const char *path, const void *bytes, size_t size)
{
	_cleanup_(file_writer_abort) struct file_writer w = FILE_WRITER_INIT;
	int err = file_writer_open(&w, path);

	if (!err)
		err = write_full(w.fd, bytes, size);
	return err ? err : file_writer_commit(&w);
}
