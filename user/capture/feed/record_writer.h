/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a recording (<holdfast/record.h>). It begins in memory, so that no event is lost before the file's name
 * is known.
 *
 *	record_writer_new(&writer);
 *	event_handler {record_writer_event, writer}	from now on
 *	record_writer_open(writer, path, meta, size);	the file, with what has waited
 *	record_writer_block(writer, kind, bytes, size);	anything else, in order with the events
 *	record_writer_close(writer);
 *
 * Any thread: a lock inside. The first failure stays: every later call returns it.
 */
#ifndef HOLDFAST_FEED_RECORD_WRITER_H
#define HOLDFAST_FEED_RECORD_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/record.h>

#include "base/cleanup.h"
#include "capture/feed/decode.h"

struct record_writer;

int record_writer_new(struct record_writer **ret);
/* Without record_writer_close() the file ends as if we had been killed. */
void record_writer_free(struct record_writer *writer);
DEFINE_CLEANUP(struct record_writer *, record_writer_free);

/* Makes the file anew, 0600, in place of a regular one; -ELOOP for a link, -EEXIST for what else is there. */
int record_writer_open(struct record_writer *writer, const char *path, const void *meta,
		       size_t size);
/* struct event_handler's function; @writer is the struct record_writer. */
int record_writer_event(void *writer, const struct hf_event *event);
/* Events that wait go first. -E2BIG above HF_RECORD_BLOCK_MAX (which ends nothing). */
int record_writer_block(struct record_writer *writer, enum hf_record_kind kind, const void *bytes,
			size_t size);
/* The END block. Returns the first failure of all. */
int record_writer_close(struct record_writer *writer);

/* Written so far. */
uint64_t record_writer_bytes(struct record_writer *writer);

#endif
