/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The samples of one commit, of all targets, as bytes: written as they come, and quick to search for one target. Not packed,
 * because store_retain() soon packs them by target.
 *
 * The bytes: XXH64 of the rest; version, count, a base time; then by target and time {target as a difference, size of what
 * follows, time as a zigzag difference to the base, values}. All numbers but the hash LEB128.
 */
#ifndef HOLDFAST_AGENT_STORE_BATCH_H
#define HOLDFAST_AGENT_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/samples.h"
#include "base/bytes.h"
#include "base/strbuf.h"

/* Appends. @samples gets sorted by target; those of one target keep their order. */
int batch_encode(struct store_sample *samples, size_t count, struct strbuf *out);

struct batch {
	struct cursor rest;
	uint64_t left;
	uint64_t base_ns;
	uint64_t target;    /* of the sample at hand */
	struct cursor body; /* its time and values */
};

/* Borrows the bytes. -EBADMSG. */
int batch_open(const void *bytes, size_t size, struct batch *ret_batch);
/* 1 and a sample is at hand, 0 at the end, or -EBADMSG. Targets ascend. */
int batch_next(struct batch *batch);
/* The sample at hand; -EBADMSG. */
int batch_read(const struct batch *batch, struct store_sample *ret_sample);

#endif
