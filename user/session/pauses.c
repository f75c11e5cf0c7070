// SPDX-License-Identifier: GPL-2.0-or-later
/* How long collections of garbage take in a session's processes. */
#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/collections.h"
#include "process/python/collector.h"
#include "session/session_internal.h"

void pauses_start(struct session *session, struct member *member)
{
	int pid = member->target->key.pid, err;
	struct python_collector_probes found;
	struct probe_collection_places places;

	if (session->pauses_given_up ||
	    !python_collector_find_probes(member->target, &member->python, &found))
		return;
	places = (struct probe_collection_places){
		.module = found.module,
		.begins = found.begins,
		.ends = found.ends,
		.begin_count = found.begin_count,
		.end_count = found.end_count,
	};
	err = probe_collections_attach(session->probe, pid, &places);
	if (err) {
		probe_collections_detach(session->probe, pid);
		log_debug_err(err, "pauses for garbage in process %d are not timed", pid);
		return;
	}
	member->pauses = (struct hf_collections){0};
	member->timed_from_ns = clock_now_ns();
	member->timed_until_ns = 0;
}

void pauses_read(struct session *session, struct member *member)
{
	if (member->timed_from_ns && !member->timed_until_ns)
		probe_collections_read(session->probe, member->target->key.pid, &member->pauses);
}

void pauses_stop(struct session *session, struct member *member)
{
	if (!member->timed_from_ns || member->timed_until_ns)
		return;
	pauses_read(session, member);
	member->timed_until_ns = clock_now_ns();
	probe_collections_detach(session->probe, member->target->key.pid);
}

double pauses_timed_s(const struct session *session, const struct member *member)
{
	uint64_t until_ns = member->timed_until_ns ? member->timed_until_ns
			    : session->stopped_ns  ? session->stopped_ns
						   : clock_now_ns();

	return member->timed_from_ns ? (double)since(until_ns, member->timed_from_ns) / NS_PER_S
				     : 0;
}

void pauses_give_up(struct session *session)
{
	if (session->pauses_given_up)
		return;
	session->pauses_given_up = true;
	for (size_t i = 0; i < session->members.count; i++)
		pauses_stop(session, session->members.items[i]);
	log_info("timing pauses for garbage takes too much of the budget: given up");
}
