// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/feed/record_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/fileio.h"
#include "base/strbuf.h"

#define EVENTS_BYTES (1u << 20)  /* a block of events is written when it has grown to this */
#define WAIT_BYTES   (64u << 20) /* before there is a file */
#define ZSTD_LEVEL   1

struct record_writer {
	pthread_mutex_t lock;
	int fd;  /* -1: not yet */
	int err; /* the first failure */
	struct strbuf events, waiting;
	void *packed;
	size_t packed_bytes;
	ZSTD_CCtx *zstd;
	uint64_t written_bytes;
};

int record_writer_new(struct record_writer **ret)
{
	_cleanup_(record_writer_freep) struct record_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	pthread_mutex_init(&writer->lock, NULL);
	writer->fd = -1;
	strbuf_init(&writer->events);
	strbuf_init(&writer->waiting);
	writer->packed_bytes = ZSTD_compressBound(HF_RECORD_BLOCK_MAX);
	writer->packed = malloc(writer->packed_bytes);
	writer->zstd = ZSTD_createCCtx();
	if (!writer->packed || !writer->zstd)
		return -ENOMEM;
	*ret = no_free_ptr(writer);
	return 0;
}

void record_writer_free(struct record_writer *writer)
{
	if (!writer)
		return;
	if (writer->fd >= 0)
		close(writer->fd);
	pthread_mutex_destroy(&writer->lock);
	strbuf_done(&writer->events);
	strbuf_done(&writer->waiting);
	free(writer->packed);
	ZSTD_freeCCtx(writer->zstd);
	free(writer);
}

static int put(struct record_writer *writer, const void *bytes, size_t size)
{
	int err;

	if (writer->fd >= 0)
		err = write_full(writer->fd, bytes, size);
	else if (writer->waiting.len + size > WAIT_BYTES)
		err = -ENOBUFS;
	else
		err = strbuf_add(&writer->waiting, bytes, size);
	if (!err)
		writer->written_bytes += size;
	return err;
}

static int put_block(struct record_writer *writer, enum hf_record_kind kind, const void *bytes,
		     size_t size)
{
	struct hf_record_block block = {.kind = kind, .raw_bytes = size};
	size_t stored = ZSTD_compressCCtx(writer->zstd, writer->packed, writer->packed_bytes, bytes,
					  size, ZSTD_LEVEL);
	int err;

	if (ZSTD_isError(stored))
		return -EIO;
	block.stored_bytes = stored;
	block.checksum = XXH64(writer->packed, stored, (uint64_t)kind << 32 | size);
	err = put(writer, &block, sizeof(block));
	return err ? err : put(writer, writer->packed, stored);
}

static int flush_events(struct record_writer *writer)
{
	int err = writer->events.len ? put_block(writer, HF_RECORD_EVENTS, writer->events.buf,
						 writer->events.len)
				     : 0;

	strbuf_truncate(&writer->events, 0);
	return err;
}

/* O_EXCL: whatever the name refers to by then, it is a file of ours that we write to. */
static int create(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct stat status;
	int fd = open(path, flags, 0600);

	if (fd >= 0 || errno != EEXIST)
		return fd < 0 ? -errno : fd;
	if (lstat(path, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISLNK(status.st_mode) ? -ELOOP : -EEXIST;
	if (unlink(path))
		return -errno;
	fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

static int open_locked(struct record_writer *writer, const char *path, const void *meta,
		       size_t size)
{
	struct hf_record_header header = {.version = HF_RECORD_VERSION};
	int fd = writer->err ? writer->err : create(path);
	int err;

	if (fd < 0)
		return fd;
	writer->fd = fd;
	memcpy(header.magic, HF_RECORD_MAGIC, HF_RECORD_MAGIC_BYTES);
	err = put(writer, &header, sizeof(header));
	if (!err)
		err = put_block(writer, HF_RECORD_META, meta, size);
	if (!err)
		err = write_full(fd, writer->waiting.buf, writer->waiting.len);
	strbuf_reset(&writer->waiting);
	return err;
}

/* Remembers the first failure. */
static int finish(struct record_writer *writer, int err)
{
	if (err && !writer->err)
		writer->err = err;
	err = writer->err;
	pthread_mutex_unlock(&writer->lock);
	return err;
}

int record_writer_open(struct record_writer *writer, const char *path, const void *meta,
		       size_t size)
{
	pthread_mutex_lock(&writer->lock);
	return finish(writer,
		      size > HF_RECORD_BLOCK_MAX ? -E2BIG : open_locked(writer, path, meta, size));
}

int record_writer_event(void *user, const struct hf_event *event)
{
	struct record_writer *writer = user;
	int err;

	pthread_mutex_lock(&writer->lock);
	err = writer->err ? writer->err : strbuf_add(&writer->events, event, event->size_bytes);
	if (!err && writer->events.len >= EVENTS_BYTES)
		err = flush_events(writer);
	return finish(writer, err);
}

int record_writer_block(struct record_writer *writer, enum hf_record_kind kind, const void *bytes,
			size_t size)
{
	int err;

	if (size > HF_RECORD_BLOCK_MAX)
		return -E2BIG;
	pthread_mutex_lock(&writer->lock);
	err = writer->err ? writer->err : flush_events(writer);
	if (!err)
		err = put_block(writer, kind, bytes, size);
	return finish(writer, err);
}

int record_writer_close(struct record_writer *writer)
{
	int err = record_writer_block(writer, HF_RECORD_END, "", 0);

	pthread_mutex_lock(&writer->lock);
	if (writer->fd >= 0 && close(writer->fd) && !err)
		err = -errno;
	writer->fd = -1;
	return finish(writer, err);
}

uint64_t record_writer_bytes(struct record_writer *writer)
{
	uint64_t bytes;

	pthread_mutex_lock(&writer->lock);
	bytes = writer->written_bytes;
	pthread_mutex_unlock(&writer->lock);
	return bytes;
}
