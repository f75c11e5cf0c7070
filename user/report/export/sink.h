/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an exporter writes to: a callback, with a buffer before it and a sticky error behind it.
 *
 * sink_write() and friends may be called without looking at results; sink_finish() tells the
 * first error. An exporter never opens anything itself.
 */
#ifndef HOLDFAST_EXPORT_SINK_H
#define HOLDFAST_EXPORT_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

/* All of @size bytes, or -errno. */
typedef int (*sink_write_fn)(void *user, const void *bytes, size_t size);

struct sink {
	sink_write_fn write;
	void *user;
	int error; /* sticky: the first failure */
	size_t fill;
	char buffer[16384];
};

void sink_init(struct sink *sink, sink_write_fn write, void *user);
/* Into a strbuf. */
void sink_init_strbuf(struct sink *sink, struct strbuf *sb);
/* To a descriptor, which stays the caller's. */
void sink_init_fd(struct sink *sink, const int *fd);

void sink_write(struct sink *sink, const void *bytes, size_t size);
void sink_puts(struct sink *sink, const char *text);
void sink_putc(struct sink *sink, char c);
void sink_printf(struct sink *sink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands on what is buffered; 0 or the first -errno. Call it last; more may be written after it. */
int sink_finish(struct sink *sink);

/* A sink that compresses (gzip, no name, no date: same input, same bytes) into another one. */
struct gzip_sink;
int gzip_sink_new(struct sink *to, struct gzip_sink **ret_gzip);
struct sink *gzip_sink_input(struct gzip_sink *gzip);
/* Writes the trailer; does not finish @to. 0 or -errno. */
int gzip_sink_finish(struct gzip_sink *gzip);
void gzip_sink_free(struct gzip_sink *gzip);
DEFINE_CLEANUP(struct gzip_sink *, gzip_sink_free);

/* All that @fill writes, compressed, as the content of @ret_bytes. 0 or -errno. */
int sink_pack(int (*fill)(const void *user, struct sink *sink), const void *user,
	      struct strbuf *ret_bytes);

#endif
