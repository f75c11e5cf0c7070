/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics in the text format of Prometheus, or OpenMetrics for who asks for it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, https://openmetrics.io/).
 *
 * One table of families; one line for each target in the families that are of targets. Cardinality: TARGETS_MOST targets, those with the most
 * memory; how many were left out is a metric itself.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "process/proc/memory.h"

#define TARGETS_MOST 500

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

/* NaN: no line. */
typedef double (*of_target)(const struct agent_target *target);
typedef double (*of_agent)(const struct agent *agent);

struct family {
	const char *name; /* of a counter without _total */
	const char *help, *unit;
	enum metric_type type;
	of_target target;
	of_agent agent;
};

static double known(uint64_t value)
{
	return value == STORE_UNKNOWN ? NAN : (double)value;
}

static const struct process_memory *memory_of(const struct agent_target *target)
{
	return &target->watched->reading.memory;
}

static double if_full(const struct agent_target *target, uint64_t bytes)
{
	return target->watched->reading.full_ns ? (double)bytes : NAN;
}

static double rss(const struct agent_target *t)
{
	return known(memory_of(t)->rss_bytes);
}

static double vms(const struct agent_target *t)
{
	return known(memory_of(t)->vms_bytes);
}

static double pss(const struct agent_target *t)
{
	return if_full(t, memory_of(t)->pss_bytes);
}

static double uss(const struct agent_target *t)
{
	return if_full(t, memory_of(t)->uss_bytes);
}

static double swapped(const struct agent_target *t)
{
	return if_full(t, memory_of(t)->swap_bytes);
}

static double limit(const struct agent_target *t)
{
	return t->watched->reading.limit_bytes ? (double)t->watched->reading.limit_bytes : NAN;
}

static double heap_objects(const struct agent_target *t)
{
	return known(t->inside.heap_objects);
}

static double heap_live(const struct agent_target *t)
{
	return known(t->inside.heap_live_bytes);
}

static double collections(const struct agent_target *t)
{
	return known(t->inside.gc_collections);
}

static double leaks(const struct agent_target *t)
{
	return (double)leaks_active(t->agent, t->id);
}

static double growth(const struct agent_target *t)
{
	return t->growth_known ? t->growth.slope_per_second : NAN;
}

static double traced(const struct agent_target *t)
{
	return t->job && t->job->started;
}

static double faults(const struct agent_target *t)
{
	return t->watched->reading.full_ns ? (double)t->watched->reading.major_faults : NAN;
}

static double overhead(const struct agent_target *t)
{
	return t->job ? t->job->tick.overhead_percent / 100 : 0;
}

static double watched(const struct agent *agent)
{
	return (double)process_watch_count(agent->watch);
}

static double left_out(const struct agent *agent)
{
	size_t count = process_watch_count(agent->watch);

	return count > TARGETS_MOST ? (double)(count - TARGETS_MOST) : 0;
}

static double ended(const struct agent *agent)
{
	return (double)agent->ended_targets;
}

static double oom_kills(const struct agent *agent)
{
	return (double)agent->oom_kills;
}

static double own_cpu(const struct agent *agent)
{
	return agent->cost.cpu_percent / 100;
}

static double own_rss(const struct agent *agent)
{
	struct process_memory memory;

	(void)agent;
	return process_memory_read(getpid(), false, &memory) ? NAN : (double)memory.rss_bytes;
}

static double pass_seconds(const struct agent *agent)
{
	struct watch_counts counts;

	process_watch_get_counts(agent->watch, &counts);
	return (double)counts.pass_ns / 1e9;
}

static double passes(const struct agent *agent)
{
	return (double)agent->passes;
}

static double started(const struct agent *agent)
{
	return (double)agent->started_wall_ns / 1e9;
}

static double sessions(const struct agent *agent)
{
	return (double)agent->sessions.count;
}

static double failed_writes(const struct agent *agent)
{
	struct store_state state;

	store_state(agent->store, &state);
	return (double)state.failed_writes;
}

static double dropped_samples(const struct agent *agent)
{
	struct store_state state;

	store_state(agent->store, &state);
	return (double)state.dropped_samples;
}

static double requests(const struct agent *agent)
{
	struct http_stats stats;
	double sum = 0;

	http_server_stats(agent->http, &stats);
	for (size_t i = 0; i < sizeof(stats.answers) / sizeof(*stats.answers); i++)
		sum += (double)stats.answers[i];
	return sum;
}

static double rejected(const struct agent *agent)
{
	struct http_stats stats;
	double sum = 0;

	http_server_stats(agent->http, &stats);
	for (int i = 0; i < HTTP_REJECT_COUNT; i++)
		sum += (double)stats.rejected[i];
	return sum;
}

/* The first five are a contract: their names, and that they are gauges. */
static const struct family families[] = {
	{"memory_profiler_rss_bytes", "Resident memory of a target.", "bytes", METRIC_GAUGE, rss,
	 NULL},
	{"memory_profiler_vms_bytes", "Virtual memory of a target.", "bytes", METRIC_GAUGE, vms,
	 NULL},
	{"memory_profiler_heap_objects",
	 "Objects that the collector of Python tracks, or blocks, on the heap of a target when it was looked at last.",
	 "", METRIC_GAUGE, heap_objects, NULL},
	{"memory_profiler_leaks_detected", "Leaks of a target that were found and not cleared.", "",
	 METRIC_GAUGE, leaks, NULL},
	{"memory_profiler_gc_collections",
	 "Collections of garbage in a target's interpreter since it began, when it was looked at last.",
	 "", METRIC_GAUGE, collections, NULL},
	{"holdfast_target_pss_bytes", "Resident memory, shared pages by part.", "bytes",
	 METRIC_GAUGE, pss, NULL},
	{"holdfast_target_uss_bytes", "Memory that no other process shares.", "bytes", METRIC_GAUGE,
	 uss, NULL},
	{"holdfast_target_swap_bytes", "Swapped-out memory.", "bytes", METRIC_GAUGE, swapped, NULL},
	{"holdfast_target_limit_bytes", "The smallest memory limit of the target's cgroups.",
	 "bytes", METRIC_GAUGE, limit, NULL},
	{"holdfast_target_heap_live_bytes",
	 "Bytes that were allocated since tracing began and are not freed.", "bytes", METRIC_GAUGE,
	 heap_live, NULL},
	{"holdfast_target_growth_bytes_per_second",
	 "Slope of the resident memory over the growth window.", "", METRIC_GAUGE, growth, NULL},
	{"holdfast_target_major_faults", "Page faults that read from disk.", "", METRIC_COUNTER,
	 faults, NULL},
	{"holdfast_target_traced", "1 while the target's allocations are traced.", "", METRIC_GAUGE,
	 traced, NULL},
	{"holdfast_target_overhead_ratio",
	 "Of a core, what tracing costs the target now; estimated.", "ratio", METRIC_GAUGE,
	 overhead, NULL},
	{"holdfast_targets", "Processes that are watched.", "", METRIC_GAUGE, NULL, watched},
	{"holdfast_targets_left_out", "Watched processes that have no lines here.", "",
	 METRIC_GAUGE, NULL, left_out},
	{"holdfast_targets_ended", "Targets that ended.", "", METRIC_COUNTER, NULL, ended},
	{"holdfast_oom_kills", "Targets that the kernel killed for memory.", "", METRIC_COUNTER,
	 NULL, oom_kills},
	{"holdfast_sessions", "Profiling sessions that run.", "", METRIC_GAUGE, NULL, sessions},
	{"holdfast_agent_cpu_ratio", "Of a core, what the agent itself takes.", "ratio",
	 METRIC_GAUGE, NULL, own_cpu},
	{"holdfast_agent_rss_bytes", "Resident memory of the agent itself.", "bytes", METRIC_GAUGE,
	 NULL, own_rss},
	{"holdfast_agent_start_time_seconds", "When the agent began, in unix time.", "seconds",
	 METRIC_GAUGE, NULL, started},
	{"holdfast_agent_pass_seconds", "CPU time of the last pass over all targets.", "seconds",
	 METRIC_GAUGE, NULL, pass_seconds},
	{"holdfast_agent_passes", "Passes over all targets.", "", METRIC_COUNTER, NULL, passes},
	{"holdfast_store_failed_writes", "Writes that the store could not do.", "", METRIC_COUNTER,
	 NULL, failed_writes},
	{"holdfast_store_dropped_samples", "Samples that were never stored.", "", METRIC_COUNTER,
	 NULL, dropped_samples},
	{"holdfast_http_answers", "Requests that were answered.", "", METRIC_COUNTER, NULL,
	 requests},
	{"holdfast_http_rejected", "Requests that were refused before they were looked at.", "",
	 METRIC_COUNTER, NULL, rejected},
};

/* A label's value: any bytes of a target, as UTF-8 text with escapes. */
static void put_label(struct strbuf *out, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf printable = STRBUF_INIT;

	/* There a backslash is doubled, but not that of \x1b for a byte that can't be shown: readers refuse all metrics for it. */
	strbuf_add_printable(&printable, text, strlen(text));
	for (const char *c = printable.buf; *c; c++) {
		if (*c == '"' || *c == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *c);
		if (*c == '\\' && c[1] == '\\')
			c++;
	}
}

static void put_number(struct strbuf *out, double value)
{
	if (value == (double)(int64_t)value)
		strbuf_addf(out, " %ld\n", (long)value);
	else
		strbuf_addf(out, " %.15g\n", value);
}

static const char *suffix_of(const struct family *family)
{
	return family->type == METRIC_COUNTER ? "_total" : "";
}

static void put_head(struct strbuf *out, const struct family *family, bool open)
{
	/* OpenMetrics names a counter's family without the suffix of its samples. */
	const char *suffix = open ? "" : suffix_of(family);

	strbuf_addf(out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	strbuf_addf(out, "# TYPE %s%s %s\n", family->name, suffix,
		    family->type == METRIC_COUNTER ? "counter" : "gauge");
	if (open && *family->unit)
		strbuf_addf(out, "# UNIT %s %s\n", family->name, family->unit);
}

static void put_targets(struct strbuf *out, const struct family *family,
			struct agent_target *const *targets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		double value = family->target(targets[i]);

		if (!isfinite(value))
			continue;
		strbuf_addf(out, "%s%s{target=\"", family->name, suffix_of(family));
		put_label(out, targets[i]->name);
		strbuf_addf(out, "\",pid=\"%d\"}", targets[i]->watched->handle.key.pid);
		put_number(out, value);
	}
}

static int most_memory_first(const void *a, const void *b)
{
	double x = rss(*(struct agent_target *const *)a), y = rss(*(struct agent_target *const *)b);

	return (x < y) - (x > y);
}

static size_t list_targets(const struct agent *agent, struct agent_target ***ret)
{
	size_t all = process_watch_count(agent->watch), count = 0;
	struct agent_target **targets = calloc(all + 1, sizeof(struct agent_target *));

	for (size_t i = 0; targets && i < all; i++) {
		targets[count] = agent_target(process_watch_at(agent->watch, i));
		count += targets[count] != NULL;
	}
	if (count)
		qsort(targets, count, sizeof(struct agent_target *), most_memory_first);
	*ret = targets;
	return count < TARGETS_MOST ? count : TARGETS_MOST;
}

static void put_all(const struct agent *agent, bool open, struct strbuf *out)
{
	_cleanup_free_ struct agent_target **targets = NULL;
	size_t count = list_targets(agent, &targets);

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		const struct family *family = &families[i];

		put_head(out, family, open);
		if (family->target) {
			put_targets(out, family, targets, count);
		} else if (isfinite(family->agent(agent))) {
			strbuf_addf(out, "%s%s", family->name, suffix_of(family));
			put_number(out, family->agent(agent));
		}
	}
	if (open)
		strbuf_addstr(out, "# EOF\n");
}

int api_metrics(struct http_request *request, void *user)
{
	static const char *const offers[] = {"text/plain", "application/openmetrics-text"};
	static const char *const types[] = {
		"text/plain; version=0.0.4; charset=utf-8",
		"application/openmetrics-text; version=1.0.0; charset=utf-8"};
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	size_t choice = http_preferred(request, offers, 2);
	const struct http_content content = {.type = types[choice]};

	put_all(user, choice == 1, &out);
	return http_answer_bytes(request, &content, &out);
}
