/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/gc_counts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/samples.h"
#include "agent/watch/collector.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/collector_place.h"

#define SOON_NS \
	(2 * NS_PER_S) /* an interpreter that is not there yet may come; doubled each time */
#define TRIES_MOST  6
#define JOB_MEMORY  ((uint64_t)96 << 20)
#define JOB_TICK_NS NS_PER_S

static bool wanted(const struct agent_target *target)
{
	return target->id && config_counts_collections(target->agent->config) &&
	       target->settings.mode != AGENT_MODE_OFF;
}

static void ask_again(struct agent_target *target, uint64_t when_ns)
{
	if (target->gc.fd >= 0)
		close(target->gc.fd);
	target->gc.fd = -1;
	target->gc.again_ns = when_ns;
}

void gc_counts_forget(struct agent_target *target)
{
	ask_again(target, 0);
	target->gc.tries = 0;
}

static void read_count(struct agent_target *target, uint64_t now_ns)
{
	uint64_t collections;

	if (!collector_read_count(target->gc.fd, target->gc.address, &collections)) {
		target->inside.gc_collections = collections;
		return;
	}
	/* Another program runs there by now, or nothing any more. */
	target->inside.gc_collections = STORE_UNKNOWN;
	target->gc.tries = 0;
	ask_again(target, now_ns + SOON_NS / 2);
}

static int begin(struct agent_target *target)
{
	const struct job_request request = {
		.kind = JOB_PLACE,
		.key = target->watched->handle.key,
		.interval_ns = JOB_TICK_NS,
		.memory_bytes = JOB_MEMORY,
	};

	return job_start(target->agent, target, &request, "gc", NULL);
}

static bool under_way(const struct agent *agent)
{
	for (size_t i = 0; i < agent->jobs.count; i++)
		if (agent->jobs.items[i]->kind == JOB_PLACE)
			return true;
	return false;
}

void gc_counts_next(struct agent *agent, uint64_t now_ns)
{
	if (under_way(agent))
		return;
	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		if (!target || !wanted(target) || target->gc.fd >= 0 ||
		    target->gc.again_ns > now_ns)
			continue;
		/* Until it has said something. */
		target->gc.again_ns = now_ns + GC_AGAIN_NS;
		target->gc.execs = target->watched->execs;
		if (!begin(target))
			return;
	}
}

void gc_counts_tick(struct agent *agent, uint64_t now_ns)
{
	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		if (!target)
			continue;
		if (!wanted(target)) {
			gc_counts_forget(target);
			target->inside.gc_collections = STORE_UNKNOWN;
		} else if (target->gc.fd >= 0) {
			read_count(target, now_ns);
		} else if (target->gc.execs != target->watched->execs) {
			gc_counts_forget(target);
		}
	}
	gc_counts_next(agent, now_ns);
}

void gc_counts_take(struct agent_job *job, const void *bytes, size_t size)
{
	struct agent_target *target = job->target;
	struct collector_place place;
	int err;

	if (!target || size != sizeof(place))
		return;
	memcpy(&place, bytes, size);
	place.version[sizeof(place.version) - 1] = '\0';
	gc_counts_forget(target);
	target->gc.address = place.address;
	err = broker_open_memory(job->agent->broker, target->watched->handle.key, &target->gc.fd);
	if (err) {
		log_debug_err(err, "the memory of process %d can't be opened", job->target_pid);
		target->gc.again_ns = clock_now_ns() + GC_AGAIN_NS;
		return;
	}
	target_note_python(target, place.version);
	read_count(target, clock_now_ns());
}

void gc_counts_failed(const struct agent_job *job, enum hf_error_code code)
{
	struct agent_target *target = job->target;

	/* Else it is asked again after GC_AGAIN_NS: it may load an interpreter later. */
	if (!target || code != HF_E_DETACHED || target->gc.tries >= TRIES_MOST)
		return;
	target->gc.again_ns = clock_now_ns() + (SOON_NS << target->gc.tries++);
}
