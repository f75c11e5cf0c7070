/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/trace_plan.h"

static bool sign_fits(const struct trace_signs *signs)
{
	switch (signs->when) {
	case AGENT_NEVER:
		return false;
	case AGENT_WHEN_PERSISTENT:
		return signs->persistent;
	case AGENT_WHEN_GROWING:
		return signs->growing;
	case AGENT_WHEN_SUSPECTED:
		return signs->growing || signs->suspected;
	case AGENT_ALWAYS:
		return true;
	}
	return false;
}

static bool much_faster(const struct trace_state *state, const struct trace_signs *signs)
{
	return signs->growing && state->growth_bytes_per_second > 0 &&
	       signs->growth_bytes_per_second > TRACE_FASTER * state->growth_bytes_per_second;
}

int trace_wanted(const struct trace_state *state, const struct trace_signs *signs)
{
	/* Off is off, also for who asks. */
	if (signs->when == AGENT_NEVER)
		return TRACE_NO;
	if (signs->session || state->asked_until_ns > signs->now_ns)
		return TRACE_ASKED;
	if (!sign_fits(signs))
		return TRACE_NO;
	if (signs->when == AGENT_ALWAYS)
		return TRACE_ALWAYS;
	if (signs->now_ns < state->not_before_ns && !much_faster(state, signs))
		return TRACE_NO;
	return signs->growing ? TRACE_GROWING : TRACE_MAYBE_GROWING;
}

void trace_ended(struct trace_state *state, const struct trace_signs *signs, bool found_leak,
		 uint64_t interval_ns)
{
	if (found_leak)
		state->pauses = TRACE_LEAK_PAUSE;
	else if (!state->pauses)
		state->pauses = TRACE_PAUSE_FIRST;
	else if (state->pauses < TRACE_PAUSE_MOST)
		state->pauses *= 2;
	state->growth_bytes_per_second = signs->growth_bytes_per_second;
	state->not_before_ns = signs->now_ns + state->pauses * interval_ns;
}

uint64_t trace_memory_bytes(const struct trace_memory *memory)
{
	return memory->own_bytes + memory->told_bytes +
	       (memory->jobs - memory->told) * TRACE_JOB_BYTES;
}

bool trace_fits(const struct trace_memory *memory)
{
	uint64_t bytes = trace_memory_bytes(memory) + TRACE_JOB_BYTES + TRACE_REPORT_BYTES;

	return !memory->jobs || (memory->jobs < TRACES_MOST && bytes <= memory->most_bytes);
}

bool trace_may_begin(const struct trace_memory *memory, int wanted)
{
	return trace_fits(memory) &&
	       (wanted >= TRACE_ALWAYS || memory->growing < TRACES_GROWING_MOST);
}

bool trace_overflows(const struct trace_memory *memory)
{
	return memory->jobs > 1 && trace_memory_bytes(memory) > memory->most_bytes;
}
