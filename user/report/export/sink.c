/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/sink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define GZIP_LEVEL       5         /* on a report's JSON 0.6 of level 6's time, 5 % more bytes */
#define GZIP_WINDOW_BITS (15 + 16) /* zlib.h, deflateInit2(): 16 more asks for a gzip header */
#define GZIP_OUT_BYTES   16384

void sink_init(struct sink *sink, sink_write_fn write, void *user)
{
	sink->write = write;
	sink->user = user;
	sink->error = 0;
	sink->fill = 0;
}

static int write_strbuf(void *user, const void *bytes, size_t size)
{
	return strbuf_add(user, bytes, size);
}

void sink_init_strbuf(struct sink *sink, struct strbuf *sb)
{
	sink_init(sink, write_strbuf, sb);
}

static int write_fd(void *user, const void *bytes, size_t size)
{
	return write_full(*(const int *)user, bytes, size);
}

void sink_init_fd(struct sink *sink, const int *fd)
{
	sink_init(sink, write_fd, (void *)fd);
}

static void flush(struct sink *sink)
{
	if (sink->fill && !sink->error)
		sink->error = sink->write(sink->user, sink->buffer, sink->fill);
	sink->fill = 0;
}

void sink_write(struct sink *sink, const void *bytes, size_t size)
{
	if (size > sizeof(sink->buffer) - sink->fill)
		flush(sink);
	if (size > sizeof(sink->buffer)) {
		if (!sink->error)
			sink->error = sink->write(sink->user, bytes, size);
		return;
	}
	if (size)
		memcpy(sink->buffer + sink->fill, bytes, size);
	sink->fill += size;
}

void sink_puts(struct sink *sink, const char *text)
{
	sink_write(sink, text, strlen(text));
}

void sink_putc(struct sink *sink, char c)
{
	if (sink->fill == sizeof(sink->buffer))
		flush(sink);
	sink->buffer[sink->fill++] = c;
}

void sink_printf(struct sink *sink, const char *fmt, ...)
{
	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	if (sb.failed && !sink->error)
		sink->error = -ENOMEM;
	sink_write(sink, sb.buf, sb.len);
}

int sink_finish(struct sink *sink)
{
	flush(sink);
	return sink->error;
}

struct gzip_sink {
	struct sink input;
	struct sink *to;
	z_stream stream;
	unsigned char out[GZIP_OUT_BYTES];
};

static int compress_some(struct gzip_sink *gzip, int flush_mode)
{
	int result;

	do {
		gzip->stream.next_out = gzip->out;
		gzip->stream.avail_out = sizeof(gzip->out);
		result = deflate(&gzip->stream, flush_mode);
		if (result == Z_STREAM_ERROR)
			return -EIO;
		sink_write(gzip->to, gzip->out, sizeof(gzip->out) - gzip->stream.avail_out);
	} while (!gzip->stream.avail_out);
	return gzip->to->error;
}

static int write_gzip(void *user, const void *bytes, size_t size)
{
	struct gzip_sink *gzip = user;
	const unsigned char *at = bytes;

	while (size) {
		uInt part = size > 1u << 30 ? 1u << 30 : (uInt)size;
		int err;

		gzip->stream.next_in = (unsigned char *)at;
		gzip->stream.avail_in = part;
		err = compress_some(gzip, Z_NO_FLUSH);
		if (err)
			return err;
		at += part;
		size -= part;
	}
	return 0;
}

int gzip_sink_new(struct sink *to, struct gzip_sink **ret_gzip)
{
	struct gzip_sink *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return -ENOMEM;
	if (deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return -ENOMEM;
	}
	gzip->to = to;
	sink_init(&gzip->input, write_gzip, gzip);
	*ret_gzip = gzip;
	return 0;
}

struct sink *gzip_sink_input(struct gzip_sink *gzip)
{
	return &gzip->input;
}

int gzip_sink_finish(struct gzip_sink *gzip)
{
	int err = sink_finish(&gzip->input);

	gzip->stream.next_in = NULL;
	gzip->stream.avail_in = 0;
	return err ? err : compress_some(gzip, Z_FINISH);
}

void gzip_sink_free(struct gzip_sink *gzip)
{
	if (!gzip)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}

int sink_pack(int (*fill)(const void *user, struct sink *sink), const void *user,
	      struct strbuf *ret_bytes)
{
	_cleanup_(gzip_sink_freep) struct gzip_sink *gzip = NULL;
	_cleanup_free_ struct sink *to = malloc(sizeof(*to));
	int err;

	if (!to)
		return -ENOMEM;
	strbuf_reset(ret_bytes);
	sink_init_strbuf(to, ret_bytes);
	err = gzip_sink_new(to, &gzip);
	if (!err)
		err = fill(user, gzip_sink_input(gzip));
	if (!err)
		err = gzip_sink_finish(gzip);
	return err ? err : sink_finish(to);
}
