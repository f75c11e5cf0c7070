/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a recording (<holdfast/record.h>) from its beginning to its last whole block. Hostile input. */
#ifndef HOLDFAST_FEED_RECORD_READER_H
#define HOLDFAST_FEED_RECORD_READER_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/record.h>

#include "capture/feed/decode.h"

/*
 * Borrowed for the call, 8-byte aligned. Non-zero ends the reading, which returns it; but -EILSEQ says that the block makes
 * no sense, and counts as damage.
 */
struct record_handler {
	struct event_handler event; /* of checked events */
	/* Every other block that is whole, whatever its kind. */
	int (*block)(void *user, uint32_t kind, const void *bytes, size_t size);
	void *user;
};

enum record_end {
	RECORD_WHOLE,
	RECORD_CUT_OFF, /* its end is missing */
	RECORD_DAMAGED, /* a block is not what was written; nothing behind it was read */
};

struct record_result {
	enum record_end end;
	uint64_t read_bytes; /* whole blocks up to here */
};

/* @fd at its beginning. 0; -EBADMSG: no recording; -ENOTSUP: of a version that we don't know; -errno of the read. */
int record_read(int fd, const struct record_handler *handler, struct record_result *ret);

#endif
