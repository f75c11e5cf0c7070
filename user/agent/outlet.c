/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves the agent: alerts, and for fleets samples, sites and profiles. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/leaks.h"
#include "agent/oom.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "base/log.h"
#include "report/export/export.h"

#define SITES_SENT  20 /* of a report: those that hold most */
#define FRAMES_SENT 64

static const char *alert_name(enum alarm_kind kind)
{
	static const char *const names[ALARM_KIND_COUNT] = {
		[ALARM_MEMORY_WARNING] = "HoldfastMemoryWarning",
		[ALARM_MEMORY_CRITICAL] = "HoldfastMemoryCritical",
		[ALARM_GROWTH] = "HoldfastMemoryGrowth",
	};

	return names[kind];
}

void outlet_alarm(const struct agent_target *target, enum alarm_kind kind, uint64_t wall_ns)
{
	_cleanup_(strbuf_done) struct strbuf summary = STRBUF_INIT, path = STRBUF_INIT;
	const struct alarm *alarm = &target->alarms[kind];
	struct send_alert alert = {
		.name = alert_name(kind),
		.severity = kind == ALARM_MEMORY_CRITICAL ? SEND_CRITICAL : SEND_WARNING,
		.target = target->name,
		.pid = target->watched->handle.key.pid,
		.starts_ns = alarm->since_wall_ns,
		.ends_ns = alarm->firing ? 0 : wall_ns,
	};
	double scale = (kind == ALARM_GROWTH ? 60 : 1) / AGENT_MIB;

	strbuf_addf(&summary, "%s: %s is %.4g %s, the limit is %.4g", target->name,
		    kind == ALARM_GROWTH ? "growth" : "RSS", alarm->value * scale,
		    kind == ALARM_GROWTH ? "MB/min" : "MB", target->limits.of[kind] * scale);
	strbuf_addf(&path, "/#/targets/%lu", (unsigned long)target->id);
	alert.summary = summary.buf;
	alert.web_path = path.buf;
	send_alert(target->agent->senders, &alert);
}

/* "parse_header_copy (leaky_server.c:252)" of the stack in a leak's detail. */
static void add_line(const json_t *detail, struct strbuf *out)
{
	const json_t *frame = json_array_get(json_object_get(detail, "stack"), 0);
	const char *function = json_string_value(json_object_get(frame, "function"));
	const char *file = json_string_value(json_object_get(frame, "file"));

	if (function)
		strbuf_addstr(out, function);
	if (file && *file)
		strbuf_addf(out, " (%s:%lld)", report_basename(file),
			    json_integer_value(json_object_get(frame, "line")));
}

void outlet_leak(const struct agent *agent, const struct agent_leak *leak)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT, path = STRBUF_INIT,
					     summary = STRBUF_INIT;
	json_t *detail = json_loads(leak->detail, 0, NULL);
	const char *name = json_string_value(json_object_get(detail, "target_name"));
	struct send_alert alert = {
		.name = "HoldfastLeak",
		.severity = leak->state == VERDICT_LEAKING ? SEND_CRITICAL : SEND_WARNING,
		.target = name,
		.pid = (int)json_integer_value(json_object_get(detail, "pid")),
		.component = leak->component,
		.leak = leak->leak_id,
		.recommendation = json_string_value(json_object_get(detail, "recommendation")),
		.starts_ns = leak->first_seen_ns,
		.ends_ns = leak->active ? 0 : leak->cleared_ns,
	};

	add_line(detail, &line);
	strbuf_addf(&summary, "%s: %s, %.3g MB/min at %s", name ? name : "a process",
		    verdict_state_name(leak->state), leak->growth_bytes_per_second * 60 / AGENT_MIB,
		    line.len ? line.buf : "an unknown place");
	strbuf_addf(&path, "/#/targets/%lu", (unsigned long)leak->target);
	alert.line = line.buf;
	alert.summary = summary.buf;
	alert.web_path = path.buf;
	send_alert(agent->senders, &alert);
	json_decref(detail);
}

void outlet_oom(const struct agent_target *target, const struct agent_leak *worst, const char *text,
		uint64_t killed_ns)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT, path = STRBUF_INIT,
					     summary = STRBUF_INIT;
	json_t *detail = worst ? json_loads(worst->detail, 0, NULL) : NULL;
	/* Nothing tells that it is over: whoever wants to know has seen it by then. */
	struct send_alert alert = {
		.name = "HoldfastOomKill",
		.severity = SEND_CRITICAL,
		.target = target->name,
		.pid = target->watched->handle.key.pid,
		.starts_ns = killed_ns,
		.ends_ns = killed_ns + OOM_ALERT_NS,
	};

	add_line(detail, &line);
	strbuf_addf(&summary, "%s: %s", target->name, text);
	strbuf_addf(&path, "/#/targets/%lu", (unsigned long)target->id);
	alert.line = line.buf;
	alert.summary = summary.buf;
	alert.web_path = path.buf;
	alert.recommendation = json_string_value(json_object_get(detail, "recommendation"));
	send_alert(target->agent->senders, &alert);
	json_decref(detail);
}

static struct send_target describe(const struct agent_target *target)
{
	return (struct send_target){
		.name = target->name,
		.pid = target->watched->handle.key.pid,
		.started_ns = target->watched->facts.start_wall_ns,
	};
}

void outlet_sample(struct agent_target *target, uint64_t now_ns, uint64_t wall_ns)
{
	const struct fleet_rule *fleet = &target->agent->config->agent.fleet;
	const struct watch_reading *reading = &target->watched->reading;
	const struct send_target who = describe(target);
	const struct send_sample sample = {
		.time_ns = wall_ns,
		.rss_bytes = reading->memory.rss_bytes,
		.vms_bytes = reading->memory.vms_bytes,
		.pss_bytes = reading->full_ns ? reading->memory.pss_bytes : SEND_UNKNOWN,
		.uss_bytes = reading->full_ns ? reading->memory.uss_bytes : SEND_UNKNOWN,
		.swap_bytes = reading->full_ns ? reading->memory.swap_bytes : SEND_UNKNOWN,
		.heap_live_bytes = target->inside.heap_live_bytes,
	};

	if (!fleet->clickhouse ||
	    (target->sent_ns && now_ns < target->sent_ns + fleet->interval_ns))
		return;
	target->sent_ns = now_ns;
	send_add_sample(target->agent->senders, &who, &sample);
}

/* Texts that the sites borrow while they are handed over. */
struct site_texts {
	const char *frames[FRAMES_SENT];
	struct strbuf line;
};

static void describe_site(const struct report *report, const struct report_site *site,
			  struct site_texts *texts, struct send_site *ret)
{
	struct report_stack stack = site->stack;
	const struct report_frame *own;
	size_t count = stack.depth < FRAMES_SENT ? stack.depth : FRAMES_SENT;

	*ret = (struct send_site){
		.frames = texts->frames,
		.frame_count = count,
		.out_bytes = site->outstanding_bytes,
		.out_count = site->outstanding_count,
	};
	for (size_t i = 0; i < count; i++)
		texts->frames[i] = report->frames[stack.frames[i]].function;
	if (!stack.depth)
		return;
	own = &report->frames[stack.frames[report_first_own_frame(report, stack)]];
	ret->function = own->function;
	if (*own->file) {
		strbuf_addf(&texts->line, "%s:%u", report_basename(own->file), own->line);
		ret->line = texts->line.buf;
	}
}

static uint64_t lost_at(const struct report *report, const struct report_site *site)
{
	for (size_t i = 0; i < report->finding_count; i++)
		if (report->findings[i].stack.frames == site->stack.frames)
			return report->findings[i].lost_bytes;
	return 0;
}

static void send_sites(const struct agent_job *job, const struct report *report)
{
	const struct send_target who = describe(job->target);
	size_t count = report->site_count < SITES_SENT ? report->site_count : SITES_SENT;
	struct site_texts *texts = calloc(SITES_SENT, sizeof(*texts));
	struct send_site sites[SITES_SENT];

	for (size_t i = 0; texts && i < count; i++) {
		strbuf_init(&texts[i].line);
		describe_site(report, &report->sites[i], &texts[i], &sites[i]);
		sites[i].lost_bytes = lost_at(report, &report->sites[i]);
	}
	if (texts)
		send_add_sites(job->agent->senders, &who, clock_wall_ns(), sites, count);
	for (size_t i = 0; texts && i < count; i++)
		strbuf_done(&texts[i].line);
	free(texts);
}

static void send_pprof(const struct agent_job *job, const struct report *report)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	const struct send_target who = describe(job->target);
	uint64_t now_ns = clock_wall_ns();
	struct send_profile profile = {
		.from_ns = now_ns - (uint64_t)(report->capture.duration_s * 1e9),
		.until_ns = now_ns,
	};
	struct sink sink;

	sink_init_strbuf(&sink, &bytes);
	if (export_write(EXPORT_PPROF, report, NULL, &sink))
		return;
	profile.bytes = bytes.buf;
	profile.size = bytes.len;
	send_profile(job->agent->senders, &who, &profile);
}

void outlet_report(const struct agent_job *job, const struct report *report, bool kept)
{
	const struct fleet_rule *fleet = &job->agent->config->agent.fleet;

	if (fleet->clickhouse)
		send_sites(job, report);
	if (fleet->pyroscope && kept)
		send_pprof(job, report);
}
