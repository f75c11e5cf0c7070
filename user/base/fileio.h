/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fileio.h - whole files in, whole files out, safely.
 *
 * Reading: a size limit always; works on /proc files (which tell no size).
 * Writing: into a new file beside the goal (mode 0600, O_EXCL, O_NOFOLLOW; owned by
 * SUDO_UID where root runs for somebody), renamed onto it when
 * complete, so nobody sees half a report and no link is followed. If the goal is a character device
 * or a FIFO (/dev/null), it is written in place. A goal that is a symbolic link is refused with
 * -ELOOP, a directory with -EISDIR.
 */
#ifndef HF_BASE_FILEIO_H
#define HF_BASE_FILEIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"

/*
 * The content, NUL-terminated after *ret_size bytes, on the heap (free() it). -EFBIG if it is
 * longer than max_bytes. The path may be a link; use file_read_fd() with your own open(2) where
 * that matters.
 */
int file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_size);
int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_size);
/* From the current offset on. */
int file_read_fd(int fd, size_t max_bytes, char **ret_data, size_t *ret_size);

/* All of `size` bytes at `offset`, through EINTR and short reads; *ret_read < size only at the end
 * of the file. */
int pread_full(int fd, void *buffer, size_t size, uint64_t offset, size_t *ret_read);
/* All of it, through EINTR and short writes: 0 or -errno. */
int write_full(int fd, const void *bytes, size_t size);

struct file_writer {
	int fd;             /* write here; -1: not open */
	int dir_fd;         /* where goal and temporary file live */
	struct strbuf name; /* of the goal, within dir_fd */
	struct strbuf temp; /* of the temporary file, within dir_fd; empty: written in place */
};

/* Caller's storage. Follow with commit or abort; _cleanup_(file_writer_abort) does after a commit
 * nothing. */
int file_writer_open(struct file_writer *w, const char *path);
/* Makes it visible under its name. On failure the goal is untouched and the temporary file gone. */
int file_writer_commit(struct file_writer *w);
void file_writer_abort(struct file_writer *w);
#define FILE_WRITER_INIT                                                         \
	{                                                                        \
		.fd = -1, .dir_fd = -1, .name = STRBUF_INIT, .temp = STRBUF_INIT \
	}

/* open + write_full + commit. */
int file_write(const char *path, const void *bytes, size_t size);

#endif
