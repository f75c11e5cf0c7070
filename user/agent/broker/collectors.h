/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of Python targets, open to read how often they have collected garbage: kept from one question to the next, so that a target costs
 * one system call then. Who is asked about is held against the rules when its memory is opened, and anew after collectors_forget(). The broker's own.
 */
#ifndef HOLDFAST_BROKER_COLLECTORS_H
#define HOLDFAST_BROKER_COLLECTORS_H

#include "agent/broker/broker.h"
#include "base/vec.h"

struct open_collector {
	struct process_key key;
	int fd;
	uint64_t asked; /* in which round of questions last */
};

struct collectors {
	VEC(struct open_collector) open;
	uint64_t round;
	size_t next; /* who is asked about next, most likely */
};

/* @ret_counts: BROKER_UNKNOWN where it can't be told, or may not be. */
void collectors_read(struct collectors *collectors, const struct broker_options *options,
		     const struct broker_places *places, uint64_t *ret_counts);
/* The rules are others. */
void collectors_forget(struct collectors *collectors);

#endif
