/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which targets are traced, within one budget of the machine. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/session.h"

#define TICK_NS NS_PER_S
#define TRACE_NS \
	(400 *   \
	 NS_PER_S) /* of one trace for growth: a leak is firm in seconds, what is reachable in 300 */
#define REPORT_NS       (30 * NS_PER_S) /* between reports of one that goes on */
#define TURN_GAP_NS     (9 * NS_PER_S)  /* and of all, */
#define TURN_GAP_MAX_NS (60 * NS_PER_S) /* however dear they are; within these bounds by */
#define REPORTS_PERCENT 0.3             /* of a core, for their work at both ends */
/* Of a core, for looks at heaps in all traces: a quarter of the budget, but not more than that. */
#define LOOKS_SHARE   0.25
#define LOOKS_MOST    0.5
#define LOOKS_EAGER   2.0             /* in those for growth, which end once they are sure */
#define TURN_NS       (60 * NS_PER_S) /* for who does not answer, the others don't wait longer */
#define JOB_MEMORY    ((uint64_t)96 << 20)
#define LEAST_PERCENT 0.05
#define FAILED_NS     (60 * NS_PER_S)

static const struct agent_mode_row *mode_of(const struct agent_target *target)
{
	return &agent_mode_rows[target->settings.mode];
}

static bool threshold_crossed(const struct agent_target *target)
{
	for (int i = 0; i < ALARM_KIND_COUNT; i++)
		if (target->alarms[i].firing)
			return true;
	return false;
}

/* Over thrice the window: by its whole, or by one look after the other for two windows, each of which goes back by one. */
static bool persists(const struct agent_target *target, uint64_t now_ns)
{
	uint64_t window_ns = growth_window_ns(target->agent);
	struct trend trend;

	return now_ns >= target->grows_since_ns + 2 * window_ns ||
	       (!history_fit(&target->watched->rss, now_ns, 3 * window_ns, &trend) &&
		trend.low > TRACE_GROWTH_LEAST);
}

/* Lines of Python are in stacks of what these see; collections and gauges need no trace. */
static bool has_traced_backend(const struct config *config)
{
	return config_has_backend(config, AGENT_BACKEND_NATIVE) ||
	       config_has_backend(config, AGENT_BACKEND_MMAP) ||
	       config_has_backend(config, AGENT_BACKEND_FAULTS) ||
	       config_has_backend(config, AGENT_BACKEND_PYMPLER);
}

static void read_signs(const struct agent_target *target, uint64_t now_ns, struct trace_signs *ret)
{
	const struct config *config = target->agent->config;

	*ret = (struct trace_signs){
		.when = config->enable_leak_detection ? mode_of(target)->traces : AGENT_NEVER,
		.scans = mode_of(target)->scans,
		.growing = target_grows(target),
		.suspected = threshold_crossed(target) ||
			     (target->growth_known && target->growth.z > 1.96 &&
			      target->growth.slope_per_second > TRACE_GROWTH_LEAST),
		.session = target->sessions,
		.growth_bytes_per_second = target_growth(target),
		.now_ns = now_ns,
	};
	/* A session is traced wherever the mode traces at all. */
	if (target->sessions && mode_of(target)->traces != AGENT_NEVER)
		ret->when = mode_of(target)->traces;
	ret->persistent = ret->growing && persists(target, now_ns);
	if (!has_traced_backend(config))
		ret->when = AGENT_NEVER;
}

static bool sees_faults(const struct agent_target *target)
{
	return mode_of(target)->mappings &&
	       config_has_backend(target->agent->config, AGENT_BACKEND_FAULTS);
}

static uint32_t off_parts(const struct config *config)
{
	static const struct {
		enum agent_backend backend;
		enum session_part part;
	} parts[] = {
		{AGENT_BACKEND_NATIVE, SESSION_NATIVE},
		{AGENT_BACKEND_MMAP, SESSION_MAPPINGS},
		{AGENT_BACKEND_TRACEMALLOC, SESSION_PYTHON_LINES},
		{AGENT_BACKEND_PYMPLER, SESSION_PYTHON_OBJECTS},
	};
	uint32_t off = config_counts_collections(config) ? 0 : 1u << SESSION_COLLECTIONS;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!config_has_backend(config, parts[i].backend))
			off |= 1u << parts[i].part;
	return off;
}

static size_t traced_count(const struct agent *agent)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->jobs.count; i++)
		count += agent->jobs.items[i]->kind == JOB_TRACE;
	return count;
}

/* Of one core: the budget, in equal parts for all that is traced. */
static double share(const struct agent_target *target, size_t traced)
{
	double percent = target->settings.budget_percent / (double)(traced ? traced : 1);

	return percent > LEAST_PERCENT ? percent : LEAST_PERCENT;
}

static void share_anew(const struct agent *agent)
{
	size_t traced = traced_count(agent);

	for (size_t i = 0; i < agent->jobs.count; i++) {
		const struct agent_job *job = agent->jobs.items[i];
		double percent;

		if (job->kind != JOB_TRACE || job->stopping || !job->target)
			continue;
		percent = share(job->target, traced);
		job_send(job->channel.fd, JOB_BUDGET, &percent, sizeof(percent));
	}
}

static double looks_percent(const struct agent_target *target, bool goes_on)
{
	if (mode_of(target)->exact)
		return 0;
	return goes_on ? fmin(target->settings.budget_percent * LOOKS_SHARE, LOOKS_MOST)
		       : LOOKS_EAGER;
}

static int start(struct agent_target *target, int wanted)
{
	struct agent *agent = target->agent;
	const struct agent_mode_row *mode = mode_of(target);
	const struct agent_level_row *level = &agent_level_rows[target->settings.level];
	bool goes_on = wanted >= TRACE_ALWAYS;
	struct trace_signs signs;
	struct job_request request = {
		.kind = JOB_TRACE,
		.key = target->watched->handle.key,
		.interval_ns = TICK_NS,
		.for_ns = goes_on ? 0 : TRACE_NS,
		.budget_percent = share(target, traced_count(agent) + 1),
		.looks_percent = looks_percent(target, goes_on),
		.max_stop_ns = target->settings.max_stop_ns,
		.memory_bytes = JOB_MEMORY,
		.site_max = level->sites_max > UINT32_MAX ? 0 : (uint32_t)level->sites_max,
		.exact = mode->exact,
		.faults = sees_faults(target),
		.off = off_parts(agent->config),
		.components = agent->config->enable_component_tracking,
		.spans = agent->config->enable_component_tracking && mode->components,
		.looks = mode->scans != AGENT_NEVER,
		.objects_go_on = mode->python,
		.until_firm = !goes_on,
	};
	int err;

	read_signs(target, clock_now_ns(), &signs);
	request.looks_wait = !trace_scans(&target->trace, &signs);
	err = job_start(agent, target, &request, wanted == TRACE_ASKED ? "session" : "growth",
			&target->job);

	if (err)
		return err;
	target->job->goes_on = goes_on;
	target->job->scans = !request.looks_wait;
	target->job->faults = request.faults;
	target->job->off = request.off;
	target->trace_over_ns = 0;
	target->trace_heap_bytes = STORE_UNKNOWN;
	share_anew(agent);
	return 0;
}

static void begin(struct agent_target *target, int wanted)
{
	struct operation operation = {.name = "trace", .target = target};
	int err = start(target, wanted);

	if (err) {
		log_info("process %d can't be traced: %s", target->watched->handle.key.pid,
			 strerror(-err));
		target->trace.failed_until_ns = clock_now_ns() + FAILED_NS;
		return;
	}
	operation.text = wanted == TRACE_ASKED    ? "it is traced, for somebody asked"
			 : wanted == TRACE_ALWAYS ? "it is traced, as its mode says"
						  : "it is traced, for it grows";
	event_operation(target->agent, &operation, false);
}

/* The most urgent that is not traced yet. */
static struct agent_target *most_urgent(const struct agent *agent, uint64_t now_ns, int *ret_wanted)
{
	struct agent_target *best = NULL;
	double best_growth = 0;
	int best_wanted = TRACE_NO;

	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));
		struct trace_signs signs;
		int wanted;

		if (!target || target->job || !target->id)
			continue;
		/* Asked for, but it failed: not at once again. */
		if (target->trace.failed_until_ns > now_ns)
			continue;
		read_signs(target, now_ns, &signs);
		wanted = trace_wanted(&target->trace, &signs);
		if (wanted > best_wanted || (wanted && wanted == best_wanted &&
					     signs.growth_bytes_per_second > best_growth)) {
			best = target;
			best_wanted = wanted;
			best_growth = signs.growth_bytes_per_second;
		}
	}
	*ret_wanted = best_wanted;
	return best;
}

void tracing_weigh(const struct agent *agent, struct trace_memory *ret)
{
	*ret = (struct trace_memory){
		.most_bytes = agent->config->own_memory_bytes,
		.own_bytes = agent->cost.own_bytes,
	};
	for (size_t i = 0; i < agent->jobs.count; i++) {
		const struct agent_job *job = agent->jobs.items[i];

		ret->jobs++;
		ret->growing += job->kind == JOB_TRACE && !job->goes_on;
		ret->told += job->tick.memory_bytes > 0;
		ret->told_bytes += job->tick.memory_bytes;
	}
}

/* The signs by which the mode looks at heaps come and go while one is traced. */
static void switch_scans(struct agent_job *job, const struct trace_signs *signs)
{
	char on = trace_scans(&job->target->trace, signs);

	if (on == job->scans || job_send(job->channel.fd, JOB_LOOKS, &on, sizeof(on)))
		return;
	job->scans = on;
	log_info("the heap of process %d is %s", job->target_pid,
		 on ? "looked at from now on" : "not looked at any more");
}

/* Somebody's session ended, the mode is another; or other parts are to be seen than it sees. */
static bool is_unwanted(const struct agent_job *job, const struct trace_signs *signs)
{
	return job->off != off_parts(job->agent->config) ||
	       job->faults != sees_faults(job->target) ||
	       (job->goes_on && trace_wanted(&job->target->trace, signs) < TRACE_ALWAYS);
}

/* Those that are traced, by what is known of their targets now. */
static void tend(const struct agent *agent, uint64_t now_ns)
{
	for (size_t i = 0; i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];
		struct trace_signs signs;

		if (job->kind != JOB_TRACE || !job->target || job->stopping)
			continue;
		read_signs(job->target, now_ns, &signs);
		if (is_unwanted(job, &signs))
			job_stop(job);
		else
			switch_scans(job, &signs);
	}
}

/* Makes room for who asks: of those that are traced for growth, one ends. */
static bool make_room(const struct agent *agent, int wanted)
{
	struct trace_memory memory;

	tracing_weigh(agent, &memory);
	if (trace_may_begin(&memory, wanted))
		return true;
	for (size_t i = 0; wanted == TRACE_ASKED && i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];

		if (job->kind != JOB_TRACE || job->goes_on)
			continue;
		job_stop(job);
		break;
	}
	return false;
}

/* More than thought at their beginning: the newest of those that nobody asked for ends, and gets its turn again. */
static void shrink(const struct agent *agent)
{
	struct agent_job *newest = NULL;
	struct trace_memory memory;

	tracing_weigh(agent, &memory);
	if (!trace_overflows(&memory))
		return;
	for (size_t i = 0; i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];

		if (job->stopping)
			return; /* one at a time */
		if (job->kind == JOB_TRACE && !(job->target && job->target->sessions) &&
		    (!newest || job->began_ns > newest->began_ns))
			newest = job;
	}
	if (newest)
		job_stop(newest);
}

/* Until the next report in turn: by what one costs here, and in the jobs on average. */
static uint64_t turn_gap_ns(const struct agent *agent)
{
	uint64_t cost_ns = 0, count = 0, gap_ns;

	for (size_t i = 0; i < agent->jobs.count; i++) {
		uint64_t one_ns = agent->jobs.items[i]->tick.report_ns;

		cost_ns += one_ns;
		count += one_ns > 0;
	}
	if (count)
		cost_ns /= count;
	gap_ns = (uint64_t)((double)(cost_ns + agent->report_cpu_ns) * 100 / REPORTS_PERCENT);
	if (gap_ns > TURN_GAP_MAX_NS)
		return TURN_GAP_MAX_NS;
	return gap_ns > TURN_GAP_NS ? gap_ns : TURN_GAP_NS;
}

/* One after the other: names for a report take megabytes, which are given back then. */
static void ask_in_turn(struct agent *agent, uint64_t now_ns)
{
	struct agent_job *longest = NULL;

	for (size_t i = 0; i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];

		if (job->in_turn && now_ns - job->asked_ns < TURN_NS)
			return;
		if (job->kind == JOB_TRACE && job->started && !job->stopping &&
		    now_ns - job->reported_ns >= REPORT_NS &&
		    (!longest || job->reported_ns < longest->reported_ns))
			longest = job;
	}
	if (!longest || now_ns - agent->turn_ns < turn_gap_ns(agent))
		return;
	agent->turn_ns = longest->asked_ns = now_ns;
	longest->in_turn = !job_send(longest->channel.fd, JOB_ASK_REPORT, NULL, 0);
}

void tracing_tick(struct agent *agent, uint64_t now_ns)
{
	struct agent_target *target;
	int wanted;

	tend(agent, now_ns);
	shrink(agent);
	ask_in_turn(agent, now_ns);
	target = most_urgent(agent, now_ns, &wanted);
	if (target && make_room(agent, wanted))
		begin(target, wanted);
}

int tracing_ask(struct agent_target *target, uint64_t for_ns, struct hf_error *error)
{
	uint64_t until_ns = clock_now_ns() + for_ns;

	if (!tracing_allowed(target)) {
		bool mode = mode_of(target)->traces == AGENT_NEVER;

		error_set(error, HF_E_UNSUPPORTED, "%s%s traces nothing", mode ? "mode " : "",
			  mode ? mode_of(target)->name : "enabled_backends");
		return error_fix(error, "set `%s` in the configuration",
				 mode ? "mode: standard" : "enabled_backends: all");
	}
	if (target->trace.asked_until_ns < until_ns)
		target->trace.asked_until_ns = until_ns;
	target->trace.failed_until_ns = 0;
	tracing_tick(target->agent, clock_now_ns());
	return 0;
}

void tracing_failed(struct agent_target *target, const struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	target->trace.failed_until_ns = clock_now_ns() + FAILED_NS;
	sessions_traced(target->agent, target);
	strbuf_addstr(&text, error->what.buf);
	if (error->why.len)
		strbuf_addf(&text, ": %s", error->why.buf);
	event_tell(target->agent, &(struct event){
					  .kind = "TraceFailed",
					  .severity = SEND_WARNING,
					  .target = target,
					  .text = text.buf,
				  });
}

void tracing_over(struct agent_target *target)
{
	struct agent *agent = target->agent;
	struct trace_signs signs;

	read_signs(target, clock_now_ns(), &signs);
	trace_ended(&target->trace, &signs, leaks_active(agent, target->id),
		    agent->config->leak_detection_interval_ns);
	target->inside.heap_live_bytes = STORE_UNKNOWN;
	target->trace_over_ns = clock_now_ns();
	share_anew(agent);
	event_operation(agent,
			&(struct operation){"trace", target, "it is not traced any more", NULL},
			true);
}

bool tracing_allowed(const struct agent_target *target)
{
	return mode_of(target)->traces != AGENT_NEVER && has_traced_backend(target->agent->config);
}
