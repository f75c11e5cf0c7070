// SPDX-License-Identifier: GPL-2.0-or-later
/* Java virtual machines in a session's processes: their objects are not seen, but how often and how long they collect garbage is. */
#include <errno.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "session/session_internal.h"

#define SECONDS_TELL 1

void javas_update(struct member *member)
{
	int pid = member->target->key.pid;

	if (member->java_first_ns || java_perf_data_find(pid, &member->java_area) ||
	    java_perf_data_read(pid, &member->java_area, &member->java_first))
		return;
	member->java_last = member->java_first;
	member->java_first_ns = member->java_last_ns = clock_now_ns();
}

void javas_forget(struct member *member)
{
	member->java_first_ns = member->java_last_ns = 0;
}

void javas_read(struct member *member, struct sample *ret)
{
	struct java_perf_data now;

	if (!member->java_first_ns ||
	    java_perf_data_read(member->target->key.pid, &member->java_area, &now))
		return;
	member->java_last = now;
	member->java_last_ns = clock_now_ns();
	ret->gc_collections = now.collections;
	ret->gc_pause_ns = since(now.collection_ns, member->java_first.collection_ns);
}

int javas_add_note(const struct member *member, struct report_builder *builder)
{
	const struct java_perf_data *first = &member->java_first, *last = &member->java_last;
	double seconds = (double)since(member->java_last_ns, member->java_first_ns) / NS_PER_S;
	double spent = (double)since(last->collection_ns, first->collection_ns) / NS_PER_S;
	_cleanup_(strbuf_done) struct strbuf used = STRBUF_INIT;

	if (!member->java_first_ns || seconds < SECONDS_TELL)
		return 0;
	strbuf_add_human_bytes(&used, last->heap_used_bytes);
	if (used.failed)
		return -ENOMEM;
	return report_builder_add_note(
		builder,
		"process %d: its JVM collected garbage %lu times in %.0f s, which took %.1f %% of the "
		"time; %s of its heap are in use",
		member->target->key.pid,
		(unsigned long)since(last->collections, first->collections), seconds,
		100 * spent / seconds, used.buf);
}
