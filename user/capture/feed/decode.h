/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wire events, checked before anyone believes them. The ring comes from our own programs, a recording
 * from anywhere: both go through the same check. Pure.
 */
#ifndef HOLDFAST_FEED_DECODE_H
#define HOLDFAST_FEED_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/event.h>

#include "base/strbuf.h"

/*
 * Is there one whole, well-formed event at @bytes (8-byte aligned) of @size available bytes? Its own
 * size_bytes fits its kind and what follows it (a stack's frames, a file's names). 0, or -EINVAL.
 */
int event_check(const void *bytes, size_t size);

/* The frames behind a checked stack event: depth of them. */
const uint64_t *event_stack_pcs(const struct hf_event_stack *event);

/* The set of spans that a checked allocation belongs to; 0: none. */
uint64_t event_alloc_spans(const struct hf_event_alloc *event);

/* The path of a checked file event, from the root of the process's mount namespace. 0 or -ENOMEM. */
int event_file_path(const struct hf_event_file *event, struct strbuf *ret);

/* Receives every event in order; borrowed for the call. Non-zero stops the feed, which returns it. */
struct event_handler {
	int (*event)(void *user, const struct hf_event *event);
	void *user;
};

#endif
