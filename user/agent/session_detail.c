/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sessions_internal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "agent/api_values.h"
#include "agent/leak_detail.h"
#include "agent/store/leaks.h"
#include "agent/store/samples.h"
#include "base/clock.h"

#define LEAKS_SHOWN 50
#define ADVICE_MOST 10

static void put_statistics(const struct agent_session *session, struct json_out *json)
{
	uint64_t now_ns = clock_now_ns(), end_wall_ns;
	const struct agent_target *target = session->target;
	const struct agent_job *job = target ? target->job : NULL;
	struct trend trend;
	bool known = target && !history_fit(&target->watched->rss, now_ns,
					    now_ns - session->start_ns, &trend);

	end_wall_ns = session->end_wall_ns ? session->end_wall_ns : clock_wall_ns();
	json_out_begin_object(json, "statistics");
	json_out_double(json, "duration_s", (double)(end_wall_ns - session->start_wall_ns) / 1e9);
	json_out_u64(json, "samples", session->samples);
	api_put_u64(json, "start_rss_bytes", session->start_rss_bytes);
	api_put_u64(json, "end_rss_bytes", session->end_rss_bytes);
	api_put_u64(json, "peak_rss_bytes", session->peak_rss_bytes);
	api_put_growth(json, known ? trend.slope_per_second : NAN);
	if (known)
		api_put_interval(json, "growth_interval", trend.low, trend.high);
	else
		json_out_null(json, "growth_interval");
	json_out_bool(json, "traced", job && job->started);
	api_put_u64(json, "events", job && job->started ? job->tick.events : STORE_UNKNOWN);
	api_put_u64(json, "lost_events",
		    job && job->started ? job->tick.lost_events : STORE_UNKNOWN);
	api_put_u64(json, "heap_live_bytes",
		    target ? target->inside.heap_live_bytes : STORE_UNKNOWN);
	api_put_u64(json, "gc_collections",
		    target && target->inside.gc_collections != STORE_UNKNOWN &&
				    session->gc_at_start != STORE_UNKNOWN
			    ? target->inside.gc_collections - session->gc_at_start
			    : STORE_UNKNOWN);
	json_out_end_object(json);
}

static int list_leaks(const struct agent_session *session, struct store_leaks *ret)
{
	const struct store_leak_query query = {.state = STORE_LEAKS_ALL,
					       .target = session->target_id};

	return store_list_leaks(session->agent->store, &query, ret);
}

static bool seen_in(const struct agent_session *session, const struct store_leak *leak)
{
	return leak->last_seen_ns >= session->start_wall_ns;
}

static void put_leaks(const struct agent_session *session, const struct store_leaks *leaks,
		      struct json_out *json)
{
	size_t shown = 0;

	json_out_begin_array(json, "detected_leaks");
	for (size_t i = 0; i < leaks->count && shown < LEAKS_SHOWN; i++) {
		if (!seen_in(session, &leaks->items[i]))
			continue;
		json_out_begin_object(json, NULL);
		leak_put_json(&leaks->items[i], json);
		json_out_end_object(json);
		shown++;
	}
	json_out_end_array(json);
}

/* What the leaks' details say, each once. */
static void put_recommendations(const struct agent_session *session,
				const struct store_leaks *leaks, struct json_out *json)
{
	json_t *said = json_object();

	json_out_begin_array(json, "recommendations");
	for (size_t i = 0; said && i < leaks->count && json_object_size(said) < ADVICE_MOST; i++) {
		json_t *detail = seen_in(session, &leaks->items[i])
					 ? json_loads(leaks->items[i].detail, 0, NULL)
					 : NULL;
		const char *text = json_string_value(json_object_get(detail, "recommendation"));

		if (text && *text && !json_object_get(said, text)) {
			json_out_string(json, NULL, text);
			json_object_set_new(said, text, json_true());
		}
		json_decref(detail);
	}
	json_out_end_array(json);
	json_decref(said);
}

static void add_detail(const struct agent_session *session, struct strbuf *out)
{
	struct store_leaks leaks = {.count = 0};
	struct json_out json;
	struct sink sink;
	bool listed = !list_leaks(session, &leaks);

	sink_init_strbuf(&sink, out);
	json_out_init(&json, &sink, 0);
	json_out_begin_object(&json, NULL);
	json_out_int(&json, "pid", session->pid);
	if (session->peak_rss_bytes == STORE_UNKNOWN)
		json_out_null(&json, "peak_memory_mb");
	else
		json_out_double(&json, "peak_memory_mb", (double)session->peak_rss_bytes / API_MB);
	put_leaks(session, &leaks, &json);
	put_statistics(session, &json);
	put_recommendations(session, &leaks, &json);
	json_out_end_object(&json);
	sink_finish(&sink);
	if (listed)
		store_leaks_done(&leaks);
}

void session_fill_row(const struct agent_session *session, struct strbuf *detail,
		      struct store_session *ret)
{
	add_detail(session, detail);
	*ret = (struct store_session){
		.session_id = session->session_id,
		.target = session->target_id,
		.name = session->name,
		.description = session->description,
		.state = session->end_wall_ns ? "ended" : "running",
		.detail = detail->buf,
		.start_ns = session->start_wall_ns,
		.end_ns = session->end_wall_ns,
		.profile = session->profile,
	};
}

void session_row_put_json(const struct store_session *row, struct json_out *json)
{
	json_out_string(json, "session_id", row->session_id);
	json_out_u64(json, "target", row->target);
	json_out_string(json, "session_name", row->name);
	json_out_string(json, "description", row->description);
	json_out_string(json, "state", row->state);
	api_put_time(json, "start_time", row->start_ns);
	api_put_time(json, "end_time", row->end_ns);
	api_put_id(json, "profile", row->profile);
	json_out_members(json, row->detail);
}
