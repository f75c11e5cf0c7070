/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's ring buffer as a feed. One thread. */
#ifndef HOLDFAST_FEED_RING_H
#define HOLDFAST_FEED_RING_H

#include <stdint.h>

#include "base/cleanup.h"
#include "capture/feed/decode.h"

struct ring_feed;

/* @map_fd stays the caller's. */
int ring_feed_new(int map_fd, const struct event_handler *handler, struct ring_feed **ret);
void ring_feed_free(struct ring_feed *feed);
DEFINE_CLEANUP(struct ring_feed *, ring_feed_free);

/* Hands on everything that waits in the ring. The number of events, or what the handler returned. */
int ring_feed_consume(struct ring_feed *feed);
/* Readable once the kernel side finds enough data waiting (or something urgent). */
int ring_feed_fd(const struct ring_feed *feed);
/* Events that were not well-formed: 0, unless the kernel side has a bug. */
uint64_t ring_feed_malformed(const struct ring_feed *feed);

#endif
