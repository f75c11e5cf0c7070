// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/feed/record_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/fileio.h"

struct reader {
	int fd;
	const struct record_handler *handler;
	uint64_t offset;
	void *stored, *raw;
	size_t stored_max;
};

/* 1: there, 0: the file ends before, or -errno. */
static int take(struct reader *reader, void *buffer, size_t size)
{
	size_t got;
	int err = pread_full(reader->fd, buffer, size, reader->offset, &got);

	if (err)
		return err;
	if (got < size)
		return 0;
	reader->offset += size;
	return 1;
}

/* -EILSEQ: damaged. */
static int hand_on_events(const struct reader *reader, const uint8_t *bytes, size_t size)
{
	const struct event_handler *handler = &reader->handler->event;
	int err = 0;

	while (!err && size) {
		const struct hf_event *event = (const struct hf_event *)bytes;

		if (event_check(bytes, size) || event->size_bytes % 8)
			return -EILSEQ;
		size -= event->size_bytes;
		bytes += event->size_bytes;
		err = handler->event(handler->user, event);
	}
	return err;
}

/* 1: read, 0: the file ends here, -EILSEQ: damaged, or what a handler returned. */
static int read_block(struct reader *reader, struct hf_record_block *block)
{
	int got = take(reader, block, sizeof(*block));
	size_t size;

	if (got <= 0)
		return got;
	if (block->raw_bytes > HF_RECORD_BLOCK_MAX || block->stored_bytes > reader->stored_max)
		return -EILSEQ;
	got = take(reader, reader->stored, block->stored_bytes);
	if (got <= 0)
		return got;
	if (XXH64(reader->stored, block->stored_bytes,
		  (uint64_t)block->kind << 32 | block->raw_bytes) != block->checksum)
		return -EILSEQ;
	size = ZSTD_decompress(reader->raw, HF_RECORD_BLOCK_MAX, reader->stored,
			       block->stored_bytes);
	if (ZSTD_isError(size) || size != block->raw_bytes)
		return -EILSEQ;
	got = block->kind == HF_RECORD_EVENTS
		      ? hand_on_events(reader, reader->raw, size)
		      : reader->handler->block(reader->handler->user, block->kind, reader->raw,
					       size);
	return got ? got : 1;
}

static int read_header(struct reader *reader)
{
	struct hf_record_header header;
	int got = take(reader, &header, sizeof(header));

	if (got <= 0)
		return got ? got : -EBADMSG;
	if (memcmp(header.magic, HF_RECORD_MAGIC, HF_RECORD_MAGIC_BYTES) != 0)
		return -EBADMSG;
	return header.version == HF_RECORD_VERSION ? 0 : -ENOTSUP;
}

static int read_all(struct reader *reader, struct record_result *ret)
{
	struct record_result result = {.end = RECORD_WHOLE};
	struct hf_record_block block;
	int got = read_header(reader);

	if (got)
		return got;
	do {
		result.read_bytes = reader->offset;
		got = read_block(reader, &block);
	} while (got == 1 && block.kind != HF_RECORD_END);
	if (got < 0 && got != -EILSEQ)
		return got;
	if (got != 1)
		result.end = got ? RECORD_DAMAGED : RECORD_CUT_OFF;
	*ret = result;
	return 0;
}

int record_read(int fd, const struct record_handler *handler, struct record_result *ret)
{
	struct reader reader = {
		.fd = fd,
		.handler = handler,
		.stored_max = ZSTD_compressBound(HF_RECORD_BLOCK_MAX),
	};
	int err = -ENOMEM;

	reader.stored = malloc(reader.stored_max);
	reader.raw = malloc(HF_RECORD_BLOCK_MAX);
	if (reader.stored && reader.raw)
		err = read_all(&reader, ret);
	free(reader.stored);
	free(reader.raw);
	return err;
}
