/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/leaks.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "account/gauge/trend.h"
#include "agent/leak_detail.h"
#include "agent/store/leaks.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"

#define NEW_BLOCKS   8     /* lost since it was cleared */
#define NEW_BYTES    65536 /* or grown by */
#define RECENT_LEAST 5     /* reports */
#define ID_SEED      0x686f6c6466617374ULL

static void leak_free(struct agent_leak *leak)
{
	free(leak->key);
	free(leak->component);
	free(leak->detail);
	free(leak);
}

void leaks_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->leaks.count; i++)
		leak_free(agent->leaks.items[i]);
	vec_done(&agent->leaks);
}

size_t leaks_active(const struct agent *agent, uint64_t target)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->leaks.count; i++)
		count += agent->leaks.items[i]->active &&
			 (!target || agent->leaks.items[i]->target == target);
	return count;
}

static struct agent_leak *find(const struct agent *agent, uint64_t target, const char *key)
{
	for (size_t i = 0; i < agent->leaks.count; i++) {
		struct agent_leak *leak = agent->leaks.items[i];

		if (leak->target == target && !strcmp(leak->key, key))
			return leak;
	}
	return NULL;
}

/* What new evidence is held against: an agent after this one must know it, too. */
static void add_evidence(const struct agent_leak *leak, struct strbuf *out)
{
	strbuf_addf(out,
		    "{\"has_stack\":%s,\"lost\":%" PRIu64 ",\"cleared_bytes\":%" PRIu64
		    ",\"cleared_lost\":%" PRIu64 "}",
		    leak->has_stack ? "true" : "false", leak->lost_before + leak->lost_count,
		    leak->cleared_bytes, leak->cleared_lost);
}

static uint64_t number_of(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

/* Of jobs that are gone. */
static void load_evidence(struct agent_leak *leak, const char *text)
{
	json_t *evidence = json_loads(text, 0, NULL);

	leak->has_stack = json_is_true(json_object_get(evidence, "has_stack"));
	leak->lost_before = number_of(evidence, "lost");
	leak->cleared_bytes = number_of(evidence, "cleared_bytes");
	leak->cleared_lost = number_of(evidence, "cleared_lost");
	json_decref(evidence);
}

static void put_into_store(const struct agent *agent, const struct agent_leak *leak)
{
	_cleanup_(strbuf_done) struct strbuf evidence = STRBUF_INIT;
	struct store_leak row = {
		.leak_id = leak->leak_id,
		.target = leak->target,
		.key = leak->key,
		.component = leak->component,
		.state = verdict_state_name(leak->state),
		.detail = leak->detail,
		.first_seen_ns = leak->first_seen_ns,
		.last_seen_ns = leak->last_seen_ns,
		.cleared_ns = leak->cleared_ns,
		.outstanding_bytes = leak->outstanding_bytes,
		.profile = leak->profile,
		.growth_bytes_per_second = leak->growth_bytes_per_second,
		.growth_low = leak->growth_low,
		.growth_high = leak->growth_high,
		.active = leak->active,
	};
	int err;

	add_evidence(leak, &evidence);
	row.evidence = evidence.buf;
	err = store_put_leak(agent->store, &row);
	if (err)
		log_warn_err(err, "leak %s is not kept", leak->leak_id);
}

void leaks_put_all(struct agent *agent)
{
	for (size_t i = 0; i < agent->leaks.count; i++)
		put_into_store(agent, agent->leaks.items[i]);
}

static bool is_leak(const struct report_finding *finding)
{
	return finding->state == VERDICT_LEAKING || finding->state == VERDICT_GROWING ||
	       (finding->state == VERDICT_LOST && finding->lost_count >= LEAK_LOST_LEAST);
}

static bool is_of_stack(const struct report_finding *finding)
{
	return is_leak(finding) && finding->stack.depth;
}

/* Lost, nobody saw where, and it does not go on: what was lost before the trace began. */
static bool is_past(const struct report_finding *finding)
{
	return finding->state == VERDICT_LOST && !finding->stack.depth;
}

/*
 * Of a process that has a leak with a stack the past is most likely that leak's: one alert is enough. Which leak that is may show
 * only after a while.
 */
static bool is_told_by_another(const struct agent_job *job, const struct report *report,
			       const struct report_finding *past)
{
	if (past->seconds_to_firm > 0)
		return true;
	for (size_t i = 0; i < report->finding_count; i++)
		if (report->findings[i].pid == past->pid && is_of_stack(&report->findings[i]))
			return true;
	for (size_t i = 0; i < job->agent->leaks.count; i++) {
		const struct agent_leak *leak = job->agent->leaks.items[i];

		if (leak->target == job->target_id && leak->active && leak->has_stack)
			return true;
	}
	return false;
}

static bool replace_text(char **text, const char *by)
{
	char *copy = strdup(by);

	if (!copy)
		return false;
	free(*text);
	*text = copy;
	return true;
}

static struct agent_leak *least_recent(const struct agent *agent, size_t *ret_index)
{
	struct agent_leak *least = NULL;

	for (size_t i = 0; i < agent->leaks.count; i++) {
		struct agent_leak *leak = agent->leaks.items[i];

		if (least &&
		    (leak->active > least->active ||
		     (leak->active == least->active && leak->last_seen_ns >= least->last_seen_ns)))
			continue;
		least = leak;
		*ret_index = i;
	}
	return least;
}

static struct agent_leak *leak_new(struct agent *agent, uint64_t target, const char *key,
				   uint64_t wall_ns)
{
	struct agent_leak *leak = calloc(1, sizeof(*leak));
	uint64_t seed = hash_u64(target, ID_SEED);
	size_t oldest;

	if (agent->leaks.count >= LEAKS_MOST) {
		leak_free(least_recent(agent, &oldest));
		vec_remove_unordered(&agent->leaks, oldest);
	}
	if (!leak || !replace_text(&leak->key, key) || vec_push(&agent->leaks, leak)) {
		if (leak)
			leak_free(leak);
		return NULL;
	}
	snprintf(leak->leak_id, sizeof(leak->leak_id), "%016lx",
		 (unsigned long)hash_bytes(key, strlen(key), seed));
	leak->target = target;
	leak->first_seen_ns = wall_ns;
	return leak;
}

/* Told as lost with their stacks: to a later trace, which has not seen them begin, they are blocks without. */
static uint64_t lost_with_stacks(const struct agent *agent, uint64_t target)
{
	uint64_t count = 0;

	for (size_t i = 0; i < agent->leaks.count; i++) {
		const struct agent_leak *leak = agent->leaks.items[i];

		if (leak->target == target && leak->has_stack)
			count += leak->lost_before + leak->lost_count;
	}
	return count;
}

/* Of one that was cleared: has it gone on since? */
static bool is_new_evidence(const struct agent_leak *leak, const struct agent_job *job,
			    const struct report_finding *finding)
{
	bool whole = !finding->stack.depth, same = whole || leak->job == job->pid;
	uint64_t lost = same ? leak->cleared_lost : 0, bytes = same ? leak->cleared_bytes : 0;

	if (whole)
		lost += lost_with_stacks(job->agent, job->target_id);
	return finding->lost_count >= lost + NEW_BLOCKS ||
	       (finding->state == VERDICT_GROWING &&
		finding->outstanding_bytes >= bytes + NEW_BYTES);
}

static void note_recent(struct agent_leak *leak, const struct agent_job *job, uint64_t bytes)
{
	size_t kept = leak->job == job->pid ? leak->recent.count : 0;

	if (kept == LEAK_RECENT) {
		memmove(leak->recent.time_ns, leak->recent.time_ns + 1,
			(LEAK_RECENT - 1) * sizeof(*leak->recent.time_ns));
		memmove(leak->recent.bytes, leak->recent.bytes + 1,
			(LEAK_RECENT - 1) * sizeof(*leak->recent.bytes));
		kept--;
	}
	leak->recent.time_ns[kept] = clock_now_ns();
	leak->recent.bytes[kept] = (double)bytes;
	leak->recent.count = kept + 1;
}

/*
 * A verdict's rate is that of its whole trace. A trace that goes on for days would make a leak that began now look small,
 * and one that is over look alive; so what the last reports say counts, where it is told apart from standing still.
 */
static void recent_growth(struct agent_leak *leak)
{
	struct trend trend;

	if (leak->recent.count < RECENT_LEAST ||
	    trend_fit(leak->recent.time_ns, leak->recent.bytes, leak->recent.count, &trend) ||
	    trend.low <= 0)
		return;
	leak->growth_bytes_per_second = trend.slope_per_second;
	leak->growth_low = trend.low;
	leak->growth_high = trend.high;
}

static bool fill(struct agent_leak *leak, const struct agent_job *job, const struct report *report,
		 const struct report_finding *finding)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;
	const struct leak_origin origin = {
		.pid = finding->pid,
		.target_name = job->target_name,
		.recommend = job->agent->config->enable_recommendations,
	};

	leak_add_detail(&origin, report, finding, &detail);
	if (detail.failed || !replace_text(&leak->detail, detail.buf) ||
	    !replace_text(&leak->component, *finding->component ? finding->component : "other"))
		return false;
	leak->state = finding->state;
	leak->growth_bytes_per_second = finding->growth_bytes_per_second;
	leak->growth_low = finding->growth_low;
	leak->growth_high = finding->growth_high;
	note_recent(leak, job, finding->outstanding_bytes);
	recent_growth(leak);
	leak->confidence = finding->confidence;
	leak->outstanding_bytes = finding->outstanding_bytes;
	if (leak->job && leak->job != job->pid)
		leak->lost_before += leak->lost_count;
	leak->lost_count = finding->lost_count;
	leak->has_stack = finding->stack.depth;
	leak->profile = job->profile;
	leak->job = job->pid;
	return true;
}

static void tell_found(const struct agent_job *job, const struct agent_leak *leak,
		       const struct report *report, const struct report_finding *finding)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, detail = STRBUF_INIT;

	strbuf_addf(&detail,
		    "{\"threshold\":\"leak\",\"leak_id\":\"%s\",\"state\":\"%s\","
		    "\"value\":%.6g,\"limit\":0,\"unit\":\"MB/min\"}",
		    leak->leak_id, verdict_state_name(leak->state),
		    leak->growth_bytes_per_second * 60 / AGENT_MIB);
	leak_add_summary(report, finding, &text);
	event_tell(job->agent, &(struct event){
				       .kind = "LeakDetected",
				       .severity = leak->state == VERDICT_LEAKING ? SEND_CRITICAL
										  : SEND_WARNING,
				       .target = job->target,
				       .job = job,
				       .text = text.buf,
				       .detail = detail.buf,
			       });
}

static void take_finding(struct agent_job *job, const struct report *report,
			 const struct report_finding *finding, uint64_t wall_ns)
{
	struct agent *agent = job->agent;
	struct agent_leak *leak = find(agent, job->target_id, finding->id);
	bool news = !leak;

	if (leak && leak->cleared_ns && !is_new_evidence(leak, job, finding))
		return;
	if (!leak)
		leak = leak_new(agent, job->target_id, finding->id, wall_ns);
	if (!leak || !fill(leak, job, report, finding)) {
		log_error("out of memory: a leak of process %d is not told", finding->pid);
		return;
	}
	news |= leak->cleared_ns != 0 && job->target;
	/* The process may be gone when its last report comes. */
	leak->active = job->target;
	leak->cleared_ns = leak->active ? 0 : wall_ns;
	leak->cleared_bytes = leak->cleared_lost = 0;
	leak->last_seen_ns = wall_ns;
	put_into_store(agent, leak);
	outlet_leak(agent, leak);
	if (news)
		tell_found(job, leak, report, finding);
}

void leaks_take(struct agent_job *job, const struct report *report, uint64_t wall_ns)
{
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct report_finding *finding = &report->findings[i];

		if (!is_leak(finding) ||
		    (is_past(finding) && !find(job->agent, job->target_id, finding->id) &&
		     is_told_by_another(job, report, finding)))
			continue;
		take_finding(job, report, finding, wall_ns);
	}
}

void leaks_announce(const struct agent *agent)
{
	for (size_t i = 0; i < agent->leaks.count; i++)
		if (agent->leaks.items[i]->active)
			outlet_leak(agent, agent->leaks.items[i]);
}

void leaks_target_went(struct agent *agent, uint64_t target, uint64_t ended_ns)
{
	for (size_t i = 0; i < agent->leaks.count; i++) {
		struct agent_leak *leak = agent->leaks.items[i];

		if (!leak->active || leak->target != target)
			continue;
		leak->active = false;
		leak->cleared_ns = ended_ns;
		put_into_store(agent, leak);
		outlet_leak(agent, leak);
	}
}

size_t leaks_clear(struct agent *agent, const char *leak_id, uint64_t target)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->leaks.count; i++) {
		struct agent_leak *leak = agent->leaks.items[i];

		if (!leak->active || (leak_id && strcmp(leak->leak_id, leak_id) != 0) ||
		    (target && leak->target != target))
			continue;
		leak->active = false;
		leak->cleared_ns = clock_wall_ns();
		leak->cleared_bytes = leak->outstanding_bytes;
		leak->cleared_lost = leak->lost_count;
		put_into_store(agent, leak);
		outlet_leak(agent, leak);
		event_tell(agent, &(struct event){.kind = "LeakCleared",
						  .target = target_by_id(agent, leak->target),
						  .text = leak->leak_id});
		count++;
	}
	return count;
}

static bool load_one(struct agent *agent, const struct store_leak *row)
{
	struct agent_leak *leak = leak_new(agent, row->target, row->key, row->first_seen_ns);

	if (!leak || !replace_text(&leak->component, row->component) ||
	    !replace_text(&leak->detail, row->detail))
		return false;
	if (verdict_state_parse(row->state, &leak->state))
		leak->state = VERDICT_WATCHING;
	memcpy(leak->leak_id, row->leak_id, strnlen(row->leak_id, sizeof(leak->leak_id) - 1) + 1);
	leak->active = row->active;
	leak->growth_bytes_per_second = row->growth_bytes_per_second;
	leak->growth_low = row->growth_low;
	leak->growth_high = row->growth_high;
	leak->outstanding_bytes = row->outstanding_bytes;
	leak->last_seen_ns = row->last_seen_ns;
	leak->cleared_ns = row->cleared_ns;
	leak->profile = row->profile;
	load_evidence(leak, row->evidence);
	return true;
}

void leaks_load(struct agent *agent)
{
	struct store_leak_query query = {.state = STORE_LEAKS_RUNNING};
	struct store_leaks leaks;
	bool whole = true;

	do {
		int err = store_list_leaks(agent->store, &query, &leaks);

		if (err) {
			log_warn_err(err, "what leaked before can't be read");
			return;
		}
		for (size_t i = 0; whole && i < leaks.count; i++)
			whole = load_one(agent, &leaks.items[i]);
		query.after = leaks.next;
		store_leaks_done(&leaks);
	} while (whole && query.after && agent->leaks.count < LEAKS_MOST);
}
