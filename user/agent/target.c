/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent knows and thinks of each process that it watches. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/gc_counts.h"
#include "agent/oom.h"
#include "agent/store/samples.h"
#include "agent/store/targets.h"
#include "base/clock.h"
#include "base/log.h"

#define WINDOW_INTERVALS 5 /* of leak detection */

struct agent_target *agent_target(const struct watched *watched)
{
	return watched->user;
}

uint64_t growth_window_ns(const struct agent *agent)
{
	return WINDOW_INTERVALS * agent->config->leak_detection_interval_ns;
}

struct agent_target *target_by_id(const struct agent *agent, uint64_t id)
{
	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		if (target && target->id == id)
			return target;
	}
	return NULL;
}

static const struct target_rule *rule_of(const struct agent_target *target)
{
	return &target->agent->config->agent.targets.items[target->watched->rule];
}

static void configure(struct agent_target *target)
{
	const struct target_rule *rule = rule_of(target);
	struct target_settings *settings = &target->settings;

	config_target_settings(target->agent->config, rule, settings);
	target->name = rule->name ? rule->name : target->watched->facts.stat.comm;
	target->limits.of[ALARM_MEMORY_WARNING] = (double)settings->warning_bytes;
	target->limits.of[ALARM_MEMORY_CRITICAL] = (double)settings->critical_bytes;
	target->limits.of[ALARM_GROWTH] = settings->growth_bytes_per_second;
}

/* Its name, or its number. */
static void add_user(struct strbuf *out, uint32_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		strbuf_addstr(out, entry->pw_name);
	else
		strbuf_addf(out, "%u", uid);
}

static int put_into_store(struct agent_target *target)
{
	_cleanup_(strbuf_done) struct strbuf user = STRBUF_INIT, rule = STRBUF_INIT;
	const struct process_facts *facts = &target->watched->facts;
	uint64_t now_ns = clock_wall_ns();
	struct store_target row = {
		.pid = facts->stat.key.pid,
		.start_time_ns = facts->start_wall_ns / NS_PER_S * NS_PER_S,
		.first_seen_ns = now_ns,
		.last_seen_ns = now_ns,
		.name = target->name,
		.comm = facts->stat.comm,
		.exe = facts->exe,
		.unit = facts->unit,
		.container = facts->container,
		.cgroup = facts->cgroup,
	};

	add_user(&user, facts->uid);
	strbuf_addf(&rule, "%d", target->watched->rule);
	row.user = user.buf;
	row.rule = rule.buf;
	return store_put_target(target->agent->store, &row, &target->id);
}

void target_configure(struct agent_target *target)
{
	int err = 0;

	configure(target);
	/* One that the store had no place for is put there by the next pass. */
	if (target->id)
		err = put_into_store(target);
	if (err)
		log_debug_err(err, "the new name of process %d is not stored",
			      target->watched->handle.key.pid);
}

void target_came(void *user, struct watched *watched)
{
	struct agent *agent = user;
	struct agent_target *target = calloc(1, sizeof(*target));
	int err;

	if (!target) {
		log_error("out of memory: process %d is not watched", watched->handle.key.pid);
		return;
	}
	target->agent = agent;
	target->watched = watched;
	target->inside = (struct agent_inside){
		STORE_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, 0, NULL};
	configure(target);
	err = put_into_store(target);
	if (err)
		log_debug_err(err, "process %d has no place in the store yet",
			      watched->handle.key.pid);
	watched->user = target;
	event_tell(agent, &(struct event){.kind = "TargetAppeared",
					  .target = target,
					  .text = "a process that is to be watched appeared"});
}

void target_note_python(struct agent_target *target, const char *version)
{
	char *copy;

	if (target->inside.python && !strcmp(target->inside.python, version))
		return;
	copy = strdup(version);
	if (!copy)
		return;
	free(target->inside.python);
	target->inside.python = copy;
}

static void agent_target_free(struct agent_target *target)
{
	target_forget_parts(target);
	gc_counts_forget(target);
	free(target->inside.python);
	free(target);
}

/* What has ended is over no limit any more. */
static void end_alarms(struct agent_target *target)
{
	for (int i = 0; i < ALARM_KIND_COUNT; i++) {
		if (!target->alarms[i].firing)
			continue;
		target->alarms[i].firing = false;
		outlet_alarm(target, (enum alarm_kind)i, clock_wall_ns());
	}
}

void target_went(void *user, struct watched *watched, const char *reason)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;
	struct agent *agent = user;
	struct agent_target *target = agent_target(watched);
	uint64_t ended_ns = clock_wall_ns();

	if (!target)
		return;
	agent->ended_targets++;
	if (!strcmp(reason, "ended") && oom_take(target, &detail)) {
		agent->oom_kills++;
		reason = OOM_REASON;
	}
	end_alarms(target);
	leaks_target_went(agent, target->id, ended_ns);
	sessions_target_went(agent, target);
	/* Its job finds out for itself, and still sends what it has. */
	for (size_t i = 0; i < agent->jobs.count; i++)
		if (agent->jobs.items[i]->target == target)
			agent->jobs.items[i]->target = NULL;
	store_end_target(agent->store, target->id, ended_ns, reason, detail.buf);
	event_tell(agent, &(struct event){.kind = "TargetEnded",
					  .target = target,
					  .text = strcmp(reason, "rules") != 0
							  ? "the process ended"
							  : "no rule matches it any more"});
	watched->user = NULL;
	agent_target_free(target);
}

void targets_reconcile(struct agent *agent)
{
	struct store_target_query query = {.state = STORE_TARGETS_RUNNING};
	struct store_targets targets;

	do {
		if (store_list_targets(agent->store, &query, &targets))
			return;
		for (size_t i = 0; i < targets.count; i++) {
			const struct store_target *row = &targets.items[i];

			if (target_by_id(agent, row->id))
				continue;
			store_end_target(agent->store, row->id, row->last_seen_ns,
					 "ended while no agent ran", NULL);
			leaks_target_went(agent, row->id, clock_wall_ns());
		}
		query.after = targets.next;
		store_targets_done(&targets);
	} while (query.after);
}

void target_forget(struct watched *watched)
{
	struct agent_target *target = agent_target(watched);

	watched->user = NULL;
	if (target)
		agent_target_free(target);
}

double target_growth(const struct agent_target *target)
{
	return target->growth_known ? target->growth.slope_per_second : 0;
}

bool target_grows(const struct agent_target *target)
{
	return target->growth_known && target->growth.low > TRACE_GROWTH_LEAST;
}

static void fit(struct agent_target *target, uint64_t now_ns)
{
	const struct agent *agent = target->agent;
	uint64_t window_ns = growth_window_ns(agent);

	if (target->fitted_ns && now_ns - target->fitted_ns < window_ns / 20)
		return;
	target->fitted_ns = now_ns;
	target->growth_known =
		!history_fit(&target->watched->rss, now_ns, window_ns, &target->growth);
	if (!target_grows(target))
		target->grows_since_ns = 0;
	else if (!target->grows_since_ns)
		target->grows_since_ns = now_ns;
}

static double alarm_value(const struct agent_target *target, enum alarm_kind kind)
{
	if (kind == ALARM_GROWTH)
		/* Only what is surely so fast. */
		return target->growth_known ? target->growth.low : 0;
	return target->watched->reading.memory.rss_bytes == WATCH_UNKNOWN
		       ? 0
		       : (double)target->watched->reading.memory.rss_bytes;
}

static void add_amount(struct strbuf *out, enum alarm_kind kind, double value)
{
	if (kind == ALARM_GROWTH)
		strbuf_addf(out, "%.3g MiB/min", value * 60 / AGENT_MIB);
	else
		strbuf_add_human_bytes(out, (uint64_t)value);
}

static void tell_alarm(const struct agent_target *target, enum alarm_kind kind, bool begins)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, detail = STRBUF_INIT;
	const struct alarm *alarm = &target->alarms[kind];
	double limit = target->limits.of[kind];
	/* As they are configured: MB, and MB per minute. */
	double scale = (kind == ALARM_GROWTH ? 60 : 1) / AGENT_MIB;

	strbuf_addstr(&text, kind == ALARM_GROWTH ? "it grows by " : "its RSS is ");
	add_amount(&text, kind, alarm->value);
	strbuf_addstr(&text, begins ? ", at or above the limit of " : ", below the limit of ");
	add_amount(&text, kind, limit);
	strbuf_addf(&detail,
		    "{\"threshold\":\"%s\",\"state\":\"%s\",\"value\":%.6g,\"limit\":%.6g,"
		    "\"unit\":\"%s\"}",
		    alarm_kind_name(kind), begins ? "exceeded" : "ended", alarm->value * scale,
		    limit * scale, kind == ALARM_GROWTH ? "MB/min" : "MB");
	event_tell(target->agent,
		   &(struct event){
			   .kind = begins ? "PerformanceThresholdExceeded"
					  : "PerformanceThresholdEnded",
			   .severity = !begins                         ? SEND_INFO
				       : kind == ALARM_MEMORY_CRITICAL ? SEND_CRITICAL
								       : SEND_WARNING,
			   .target = target,
			   .text = text.buf,
			   .detail = detail.buf,
		   });
}

static void check_alarms(struct agent_target *target, uint64_t now_ns, uint64_t wall_ns)
{
	for (int i = 0; i < ALARM_KIND_COUNT; i++) {
		enum alarm_kind kind = (enum alarm_kind)i;
		enum alarm_change change = alarm_update(&target->alarms[i],
							alarm_value(target, kind),
							target->limits.of[i], now_ns);

		if (change == ALARM_BEGINS)
			target->alarms[i].since_wall_ns = wall_ns;
		if (change == ALARM_SAME)
			continue;
		tell_alarm(target, kind, change == ALARM_BEGINS);
		outlet_alarm(target, kind, wall_ns);
	}
}

static void store_reading(const struct agent_target *target, uint64_t wall_ns)
{
	const struct watch_reading *reading = &target->watched->reading;
	const struct process_memory *memory = &reading->memory;
	struct store_sample sample = {
		.target = target->id, .time_ns = wall_ns, .values = STORE_VALUES_UNKNOWN};

	sample.values.rss_bytes = memory->rss_bytes;
	sample.values.vms_bytes = memory->vms_bytes;
	/* Only where they are new: a series must not say what nobody has read. */
	if (reading->full_ns == reading->time_ns && memory->full) {
		sample.values.pss_bytes = memory->pss_bytes;
		sample.values.uss_bytes = memory->uss_bytes;
		sample.values.swap_bytes = memory->swap_bytes;
		sample.values.minor_faults = reading->minor_faults;
		sample.values.major_faults = reading->major_faults;
		if (reading->limit_bytes)
			sample.values.limit_bytes = reading->limit_bytes;
	}
	sample.values.heap_live_bytes = target->inside.heap_live_bytes;
	sample.values.heap_objects = target->inside.heap_objects;
	sample.values.gc_collections = target->inside.gc_collections;
	store_add_samples(target->agent->store, &sample, 1);
}

void target_judge(struct agent_target *target, uint64_t now_ns, uint64_t wall_ns)
{
	if (target->settings.mode == AGENT_MODE_OFF)
		return;
	/* The store was full, or not there, when it came. */
	if (!target->id && put_into_store(target))
		return;
	fit(target, now_ns);
	check_alarms(target, now_ns, wall_ns);
	store_reading(target, wall_ns);
	outlet_sample(target, now_ns, wall_ns);
}

const char *target_state_name(const struct agent_target *target)
{
	if (target->alarms[ALARM_MEMORY_CRITICAL].firing)
		return "critical";
	if (target->alarms[ALARM_MEMORY_WARNING].firing || target->alarms[ALARM_GROWTH].firing ||
	    leaks_active(target->agent, target->id))
		return "warning";
	return target_grows(target) ? "growing" : "ok";
}
