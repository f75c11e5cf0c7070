/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reports of jobs: what they tell of the target, and where they are kept. */
#include <stdlib.h>
#include <string.h>

#include "agent/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "base/log.h"
#include "report/export/export.h"

#define KEEP_NS (600 * NS_PER_S) /* of reports of one trace, so many are kept */

/* As len(gc.get_objects()) has it in Python; elsewhere blocks. */
static uint64_t objects_of(const struct report *report)
{
	uint64_t sum = 0;
	bool known = false;

	for (size_t i = 0; i < report->python_count; i++) {
		if (!report->pythons[i].objects_known)
			continue;
		known = true;
		sum += report->pythons[i].tracked;
	}
	if (known)
		return sum;
	return report->memory.heap_live_count ? report->memory.heap_live_count : STORE_UNKNOWN;
}

static uint64_t collections_of(const struct report *report)
{
	uint64_t sum = 0;

	if (!report->python_count || !report->pythons[0].collector_known)
		return STORE_UNKNOWN;
	for (int i = 0; i < REPORT_PYTHON_GENERATIONS; i++)
		sum += report->pythons[0].generations[i].collections;
	return sum;
}

static void take_inside(struct agent_target *target, const struct report *report)
{
	struct agent_inside *inside = &target->inside;
	uint64_t objects = objects_of(report), collections = collections_of(report);
	const char *version = report->python_count ? report->pythons[0].version : "";

	if (objects != STORE_UNKNOWN)
		inside->heap_objects = objects;
	/* A report is older than what the agent reads itself. */
	if (collections != STORE_UNKNOWN && !target->gc.known &&
	    config_counts_collections(target->agent->config))
		inside->gc_collections = collections;
	if (report->memory.heap_used_bytes) {
		inside->heap_used_bytes = report->memory.heap_used_bytes;
		inside->heap_free_bytes = report->memory.heap_free_bytes;
		inside->fragmentation_percent = report->memory.fragmentation_percent;
	}
	if (*version)
		target_note_python(target, version);
}

struct profile_bytes {
	const void *bytes;
	size_t size;
};

static void keep(struct agent_job *job, const struct report *report,
		 const struct profile_bytes *packed, uint64_t wall_ns)
{
	struct store_profile profile = {
		.target = job->target_id,
		.time_ns = wall_ns,
		.reason = job->reason,
		.state = verdict_state_name(report->verdict.state),
		.growth_bytes_per_second = report->verdict.growth_bytes_per_second,
		.finding_count = report->finding_count,
		.size_bytes = packed->size,
		.bytes = packed->bytes,
	};
	uint64_t id;
	int err = store_add_profile(job->agent->store, &profile, &id);

	if (err) {
		log_warn_err(err, "a profile is not kept");
		return;
	}
	job->kept_ns = clock_now_ns();
	job->profile = id;
	if (job->target)
		job->target->profile = id;
}

/* Those of a trace that goes on are kept now and then; the last one always, and those that somebody waits for. */
static bool is_to_be_kept(const struct agent_job *job)
{
	return job->kind != JOB_TRACE || !job->target || job->last || !job->goes_on ||
	       job->report_asked || !job->kept_ns || clock_now_ns() - job->kept_ns >= KEEP_NS;
}

void profile_take(struct agent_job *job, const void *bytes, size_t size)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct profile_bytes packed = {bytes, size};
	uint64_t wall_ns = clock_wall_ns();
	bool kept = is_to_be_kept(job);
	struct report *report;

	if (report_read_json(bytes, size, &report, &error)) {
		log_warn("a report of a job can't be read: %s", error.what.buf);
		return;
	}
	if (kept)
		keep(job, report, &packed, wall_ns);
	if (job->target) {
		outlet_report(job, report, kept);
		take_inside(job->target, report);
		target_take_parts(job->target, report, wall_ns);
	}
	leaks_take(job, report, wall_ns);
	job->report_asked = false;
	report_free(report);
	sessions_reported(job);
}
