// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/feed/ring.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

struct ring_feed {
	struct ring_buffer *ring;
	struct event_handler handler;
	uint64_t malformed_count;
};

static int on_sample(void *context, void *data, size_t size)
{
	struct ring_feed *feed = context;

	if (event_check(data, size)) {
		feed->malformed_count++;
		return 0;
	}
	return feed->handler.event(feed->handler.user, data);
}

int ring_feed_new(int map_fd, const struct event_handler *handler, struct ring_feed **ret)
{
	_cleanup_(ring_feed_freep) struct ring_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->handler = *handler;
	feed->ring = ring_buffer__new(map_fd, on_sample, feed, NULL);
	if (!feed->ring)
		return -errno;
	*ret = no_free_ptr(feed);
	return 0;
}

void ring_feed_free(struct ring_feed *feed)
{
	if (!feed)
		return;
	ring_buffer__free(feed->ring);
	free(feed);
}

int ring_feed_consume(struct ring_feed *feed)
{
	return ring_buffer__consume(feed->ring);
}

int ring_feed_fd(const struct ring_feed *feed)
{
	return ring_buffer__epoll_fd(feed->ring);
}

uint64_t ring_feed_malformed(const struct ring_feed *feed)
{
	return feed->malformed_count;
}
