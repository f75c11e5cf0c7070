/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/oom.h"

#include "agent/api_values.h"
#include "agent/leaks.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "base/units.h"
#include "report/export/json_out.h"

#define LEAKS_TOLD 20

/* What was known at its end. */
struct last_words {
	uint64_t killed_ns; /* wall */
	uint64_t rss_bytes, heap_bytes;
	bool traced;
	size_t leak_count;
	const struct agent_leak *worst; /* NULL: none */
};

static void gather(const struct agent_target *target, const struct broker_oom_kill *kill,
		   struct last_words *ret)
{
	const struct agent *agent = target->agent;

	*ret = (struct last_words){
		.killed_ns = clock_wall_of_monotonic_ns(kill->time_ns),
		.rss_bytes = kill->rss_bytes ? kill->rss_bytes
					     : target->watched->reading.memory.rss_bytes,
		.heap_bytes = STORE_UNKNOWN,
		/* The job may have seen the end first. */
		.traced = target->job ? target->job->started
				      : target->trace_over_ns >= kill->time_ns,
	};
	if (ret->traced)
		ret->heap_bytes = target->trace_heap_bytes;
	for (size_t i = 0; i < agent->leaks.count; i++) {
		const struct agent_leak *leak = agent->leaks.items[i];

		if (!leak->active || leak->target != target->id)
			continue;
		ret->leak_count++;
		if (!ret->worst ||
		    leak->growth_bytes_per_second > ret->worst->growth_bytes_per_second)
			ret->worst = leak;
	}
}

static void put_leaks(struct json_out *json, const struct agent_target *target)
{
	const struct agent *agent = target->agent;
	size_t told = 0;

	json_out_begin_array(json, "leaks");
	for (size_t i = 0; i < agent->leaks.count && told < LEAKS_TOLD; i++) {
		const struct agent_leak *leak = agent->leaks.items[i];

		if (!leak->active || leak->target != target->id)
			continue;
		json_out_string(json, NULL, leak->leak_id);
		told++;
	}
	json_out_end_array(json);
}

static void add_detail(const struct agent_target *target, const struct last_words *words,
		       struct strbuf *out)
{
	const struct watch_reading *reading = &target->watched->reading;
	struct json_out json;
	struct sink sink;

	sink_init_strbuf(&sink, out);
	json_out_init(&json, &sink, 0);
	json_out_begin_object(&json, NULL);
	api_put_time(&json, "killed_at", words->killed_ns);
	api_put_u64(&json, "rss_bytes", words->rss_bytes);
	api_put_u64(&json, "vms_bytes", reading->memory.vms_bytes);
	api_put_u64(&json, "limit_bytes",
		    reading->limit_bytes ? reading->limit_bytes : STORE_UNKNOWN);
	api_put_u64(&json, "heap_live_bytes", words->heap_bytes);
	api_put_growth(&json, target_growth(target));
	json_out_bool(&json, "growth_known", target->growth_known);
	json_out_bool(&json, "traced", words->traced);
	put_leaks(&json, target);
	json_out_end_object(&json);
	sink_finish(&sink);
}

static void add_text(const struct agent_target *target, const struct last_words *words,
		     struct strbuf *out)
{
	uint64_t limit = target->watched->reading.limit_bytes;

	strbuf_addstr(out, "the kernel killed it for memory");
	if (words->rss_bytes != STORE_UNKNOWN) {
		strbuf_addstr(out, ": it held ");
		strbuf_add_human_bytes(out, words->rss_bytes);
	}
	if (limit) {
		strbuf_addstr(out, ", the limit of its cgroups is ");
		strbuf_add_human_bytes(out, limit);
	}
	if (target->growth_known) {
		strbuf_addstr(out, "; it grew by ");
		units_add_rate(out, target_growth(target));
	}
	if (words->leak_count)
		strbuf_addf(out, "; %zu leak%s active", words->leak_count,
			    words->leak_count == 1 ? " was" : "s were");
}

bool oom_take(struct agent_target *target, struct strbuf *ret_detail)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct agent *agent = target->agent;
	struct broker_oom_kill kill;
	struct last_words words;

	if (broker_oom_kill(agent->broker, target->watched->handle.key, &kill))
		return false;
	gather(target, &kill, &words);
	add_detail(target, &words, ret_detail);
	add_text(target, &words, &text);
	event_tell(agent, &(struct event){
				  .kind = "TargetKilled",
				  .severity = SEND_CRITICAL,
				  .target = target,
				  .text = text.buf,
				  .detail = ret_detail->failed ? NULL : ret_detail->buf,
			  });
	outlet_oom(target, words.worst, text.buf, words.killed_ns);
	return true;
}
