/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/gc_counts.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/samples.h"
#include "base/clock.h"
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
	target->gc.known = false;
	target->gc.again_ns = when_ns;
}

void gc_counts_forget(struct agent_target *target)
{
	ask_again(target, 0);
	target->gc.tries = 0;
}

static void take_count(struct agent_target *target, uint64_t count, uint64_t now_ns)
{
	target->inside.gc_collections = count;
	if (count != BROKER_UNKNOWN)
		return;
	/* Another program runs there by now, or nothing any more. */
	target->gc.tries = 0;
	ask_again(target, now_ns + SOON_NS / 2);
}

/* Targets whose counts are asked for in one question. */
struct question {
	struct agent_target *targets[BROKER_PLACES_MAX];
	struct broker_places places;
};

static void ask(struct agent *agent, struct question *question, uint64_t now_ns)
{
	uint64_t counts[BROKER_PLACES_MAX];
	bool told = question->places.count &&
		    !broker_read_collectors(agent->broker, &question->places, counts);

	for (uint32_t i = 0; i < question->places.count; i++)
		take_count(question->targets[i], told ? counts[i] : BROKER_UNKNOWN, now_ns);
	question->places.count = 0;
}

static void add(struct question *question, struct agent_target *target, uint64_t now_ns)
{
	uint32_t at = question->places.count++;

	question->targets[at] = target;
	question->places.items[at] =
		(struct broker_place){target->watched->handle.key, target->gc.address};
	if (question->places.count == BROKER_PLACES_MAX)
		ask(target->agent, question, now_ns);
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

		if (!target || !wanted(target) || target->gc.known || target->gc.again_ns > now_ns)
			continue;
		/* Until it has said something. */
		target->gc.again_ns = now_ns + GC_AGAIN_NS;
		target->gc.execs = target->watched->execs;
		if (!begin(target))
			return;
		target->gc.again_ns = now_ns + SOON_NS;
	}
}

void gc_counts_tick(struct agent *agent, uint64_t now_ns)
{
	struct question question = {.places = {.count = 0}};

	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		if (!target)
			continue;
		if (!wanted(target)) {
			gc_counts_forget(target);
			target->inside.gc_collections = STORE_UNKNOWN;
		} else if (target->gc.known) {
			add(&question, target, now_ns);
		} else if (target->gc.execs != target->watched->execs) {
			gc_counts_forget(target);
		}
	}
	ask(agent, &question, now_ns);
	gc_counts_next(agent, now_ns);
}

void gc_counts_take(struct agent_job *job, const void *bytes, size_t size)
{
	struct agent_target *target = job->target;
	struct question question = {.places = {.count = 0}};
	struct collector_place place;
	uint64_t now_ns = clock_now_ns();

	if (!target || size != sizeof(place))
		return;
	memcpy(&place, bytes, size);
	place.version[sizeof(place.version) - 1] = '\0';
	gc_counts_forget(target);
	target->gc.known = true;
	target->gc.address = place.address;
	target_note_python(target, place.version);
	add(&question, target, now_ns);
	ask(target->agent, &question, now_ns);
}

void gc_counts_failed(const struct agent_job *job, enum hf_error_code code)
{
	struct agent_target *target = job->target;

	/*
	 * One that runs no Python, as far as is known, is asked again after GC_AGAIN_NS: it may load an interpreter later. All else
	 * is of the moment.
	 */
	if (!target || (code == HF_E_UNSUPPORTED && !target->inside.python) ||
	    target->gc.tries >= TRIES_MOST)
		return;
	target->gc.again_ns = clock_now_ns() + (SOON_NS << target->gc.tries++);
}
