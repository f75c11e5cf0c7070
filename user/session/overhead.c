// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What tracing costs the targets: hits times what a trap costs here (probe_calibrate()), and our programs' own time. The
 * latter depends on stacks and caches, so it is counted while they run; but counting makes each run dearer
 * by 0.1 us, so it is on for one tick in ten, and what it shows is taken for all: so many times as dear as the
 * model's calls are those of this target.
 */
#include <stddef.h>

#include "base/log.h"
#include "capture/probe/usage.h"
#include "session/session_internal.h"

#define COUNT_EVERY  10  /* ticks */
#define COUNT_LEAST  200 /* events; fewer are no measure */
#define FACTOR_LEAST 0.2 /* what lies outside was not of these events */
#define FACTOR_MOST  5.0

void overhead_init(struct overhead *o, const struct probe_costs *costs)
{
	*o = (struct overhead){
		.alloc_ns = cost_of_call(costs, COST_EMULATED, true) + costs->call_program_ns,
		.free_ns = cost_of_entry(costs, COST_EMULATED) + costs->free_program_ns,
		.factor = 1,
	};
}

static void begin_counting(struct session *session, uint64_t allocs, uint64_t frees)
{
	struct overhead *o = &session->overhead;

	if (probe_usage_count(session->probe, true) || probe_usage(session->probe, &o->before))
		return;
	o->counting = true;
	o->allocs = allocs;
	o->frees = frees;
}

/* By two links alloc_entry serves calls and frees alike, and each call has its return. */
static struct cost_hits hits_between(const struct probe_usage *a, const struct probe_usage *b,
				     bool session)
{
	uint64_t entries = since(b->entry_hits, a->entry_hits);
	uint64_t returns = since(b->return_hits, a->return_hits);
	uint64_t halves = since(b->session_hits, a->session_hits);
	uint64_t steps = since(b->ret_insn_hits, a->ret_insn_hits);

	return (struct cost_hits){
		.calls = session ? (double)halves / 2 : (double)returns,
		.entries = session ? (double)entries : (double)since(entries, returns),
		.steps = (double)steps,
		.runs = entries + returns + halves + steps,
		.program_ns = since(b->program_ns, a->program_ns),
	};
}

/* What the calls that were counted cost, and what the model says of as many. */
static void take_counted(struct session *session, const struct probe_usage *now, uint64_t allocs,
			 uint64_t frees)
{
	struct overhead *o = &session->overhead;
	const struct probe_attached *attached = &session->members.items[0]->attached;
	bool session_way = probe_way(session->probe) == PROBE_WAY_SESSION;
	struct cost_hits hits = hits_between(&o->before, now, session_way);
	uint64_t new_allocs = since(allocs, o->allocs), new_frees = since(frees, o->frees);
	double returns = (double)since(now->syscall_hits, o->before.syscall_hits);

	if (new_allocs + new_frees < COUNT_LEAST)
		return;
	/* A return comes by a system call, which both of our tracepoints count. */
	if (returns > 2 * hits.calls)
		returns = 2 * hits.calls;
	o->counting_ns += ((double)hits.runs + returns) * session->costs.count_ns;
	o->counted_ns +=
		cost_of_hits(&session->costs, &hits,
			     cost_of_call(&session->costs, attached->call_place, session_way),
			     cost_of_entry(&session->costs, attached->free_place));
	o->modelled_ns += (double)new_allocs * o->alloc_ns + (double)new_frees * o->free_ns;
	o->factor = o->counted_ns / o->modelled_ns;
	if (o->factor < FACTOR_LEAST)
		o->factor = FACTOR_LEAST;
	if (o->factor > FACTOR_MOST)
		o->factor = FACTOR_MOST;
}

static void end_counting(struct session *session, uint64_t allocs, uint64_t frees)
{
	struct overhead *o = &session->overhead;
	struct probe_usage now;

	if (!o->counting)
		return;
	o->counting = false;
	probe_usage_count(session->probe, false);
	if (!session->members.count || probe_usage(session->probe, &now))
		return;
	take_counted(session, &now, allocs, frees);
	log_debug("a malloc costs %.0f ns here, a free %.0f", o->factor * o->alloc_ns,
		  o->factor * o->free_ns);
}

void overhead_start(struct session *session)
{
	const struct probe_costs *costs = &session->costs;

	overhead_init(&session->overhead, costs);
	begin_counting(session, 0, 0);
}

void overhead_tick(struct session *session, uint64_t allocs, uint64_t frees)
{
	if (session->overhead.counting)
		end_counting(session, allocs, frees);
	else if (session->overhead.ticks % COUNT_EVERY == 0)
		begin_counting(session, allocs, frees);
	session->overhead.ticks++;
}

void overhead_stop(struct session *session, uint64_t allocs, uint64_t frees)
{
	end_counting(session, allocs, frees);
}

double overhead_percent(const struct overhead *o, uint64_t allocs, uint64_t frees,
			uint64_t duration_ns)
{
	if (!duration_ns)
		return 0;
	return o->factor * ((double)allocs * o->alloc_ns + (double)frees * o->free_ns) /
	       (double)duration_ns * 100;
}
