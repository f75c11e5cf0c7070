/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/broker/collectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/watch/collector.h"
#include "base/cleanup.h"

/* Not asked about for so many questions: it has ended, or nobody wants it any more. Larger than what a pass over all targets takes. */
#define ROUNDS_KEPT 128
#define OPEN_MAX    4096

static void close_at(struct collectors *collectors, size_t at)
{
	close(collectors->open.items[at].fd);
	vec_remove_unordered(&collectors->open, at);
}

void collectors_forget(struct collectors *collectors)
{
	while (collectors->open.count)
		close_at(collectors, collectors->open.count - 1);
	vec_done(&collectors->open);
}

static void close_old(struct collectors *collectors)
{
	for (size_t i = collectors->open.count; i--;)
		if (collectors->open.items[i].asked + ROUNDS_KEPT < collectors->round)
			close_at(collectors, i);
}

/* Opened, then checked: it is that process's, and may be watched. */
static int open_memory(const struct broker_options *options, struct process_key key)
{
	_cleanup_close_ int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", key.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (options->match(options->user, key.pid) < 0)
		return -EPERM;
	if (process_key_check(key))
		return -ESRCH;
	return take_fd(&fd);
}

/* They are asked about in the same order each time. */
static bool find(struct collectors *collectors, struct process_key key, size_t *ret)
{
	size_t count = collectors->open.count;

	for (size_t i = 0; i < count; i++) {
		size_t at = (collectors->next + i) % count;
		const struct open_collector *open = &collectors->open.items[at];

		if (open->key.pid != key.pid || open->key.start_ticks != key.start_ticks)
			continue;
		*ret = at;
		return true;
	}
	return false;
}

static int get(struct collectors *collectors, const struct broker_options *options,
	       struct process_key key, size_t *ret)
{
	struct open_collector fresh = {.key = key};

	if (find(collectors, key, ret))
		return 0;
	if (key.pid <= 0 || collectors->open.count >= OPEN_MAX)
		return -EINVAL;
	fresh.fd = open_memory(options, key);
	if (fresh.fd < 0)
		return fresh.fd;
	if (vec_push(&collectors->open, fresh)) {
		close(fresh.fd);
		return -ENOMEM;
	}
	*ret = collectors->open.count - 1;
	return 0;
}

static uint64_t read_one(struct collectors *collectors, const struct broker_options *options,
			 const struct broker_place *place)
{
	uint64_t count;
	size_t at;

	if (get(collectors, options, place->key, &at))
		return BROKER_UNKNOWN;
	/* Another program runs there by now, or nothing any more. */
	if (collector_read_count(collectors->open.items[at].fd, place->address, &count)) {
		close_at(collectors, at);
		return BROKER_UNKNOWN;
	}
	collectors->open.items[at].asked = collectors->round;
	collectors->next = at + 1;
	return count;
}

void collectors_read(struct collectors *collectors, const struct broker_options *options,
		     const struct broker_places *places, uint64_t *ret_counts)
{
	collectors->round++;
	for (uint32_t i = 0; i < BROKER_PLACES_MAX; i++)
		ret_counts[i] = i < places->count ? read_one(collectors, options, &places->items[i])
						  : BROKER_UNKNOWN;
	close_old(collectors);
}
