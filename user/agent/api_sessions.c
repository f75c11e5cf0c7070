/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"
#include "agent/series_svg.h"
#include "agent/sessions.h"
#include "agent/sessions_internal.h"
#include "agent/store/profiles.h"
#include "base/clock.h"

#define NO_NAME        "unnamed"
#define CHART_POINTS   600
#define SNAPSHOTS_MOST 20000

int api_begin_session(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const char *name = http_text(request, "session_name");
	const char *description = http_text(request, "description");
	struct agent_target *target;
	int err;

	if (!api_find_target(user, request, true, &target))
		return HTTP_ANSWERED;
	err = session_begin(target, name && *name ? name : NO_NAME, description ? description : "",
			    request);
	if (!err)
		return HTTP_LATER;
	if (err != -EBUSY)
		return api_answer_errno(request, err, "the session can't begin");
	error_set(&error, HF_E_DETACHED, "%d sessions run already", SESSIONS_MOST);
	error_fix(&error, "stop those that are not needed: `holdfast ctl sessions`");
	return http_answer_error(request, &error);
}

int api_sessions(struct http_request *request, void *user)
{
	static const enum store_session_state states[] = {STORE_SESSIONS_RUNNING,
							  STORE_SESSIONS_ENDED, STORE_SESSIONS_ALL};
	struct agent *agent = user;
	struct store_session_query query = {
		.state = states[http_choice(request, "state")],
		.after = api_cursor(request),
		.limit = (size_t)http_integer(request, "limit"),
	};
	struct agent_target *target;
	struct store_sessions sessions;
	struct json_out *json;
	int err;

	if (http_given(request, "target")) {
		query.target = api_find_target(agent, request, false, &target);
		if (!query.target)
			return HTTP_ANSWERED;
	}
	err = store_list_sessions(agent->store, &query, &sessions);
	if (err)
		return api_answer_errno(request, err, "the sessions can't be read");
	json = http_json(request);
	json_out_begin_array(json, "sessions");
	for (size_t i = 0; i < sessions.count; i++) {
		const struct agent_session *running =
			session_find(agent, sessions.items[i].session_id);

		json_out_begin_object(json, NULL);
		if (running)
			session_put_json(running, json);
		else
			session_row_put_json(&sessions.items[i], json);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	api_put_cursor(json, sessions.next);
	store_sessions_done(&sessions);
	return http_answer_composed(request, 200);
}

/* True: *ret is the caller's to be done with; else it was answered. */
static bool find_stored(struct agent *agent, struct http_request *request,
			struct store_sessions *ret)
{
	int err = store_get_session(agent->store, http_text(request, "session"), ret);

	if (err == -ENOENT)
		api_answer_missing(request, "session");
	else if (err)
		api_answer_errno(request, err, "the session can't be read");
	return !err;
}

int api_session(struct http_request *request, void *user)
{
	const struct agent_session *running = session_find(user, http_text(request, "session"));
	struct store_sessions sessions;

	if (running) {
		session_put_json(running, http_json(request));
		return http_answer_composed(request, 200);
	}
	if (!find_stored(user, request, &sessions))
		return HTTP_ANSWERED;
	session_row_put_json(&sessions.items[0], http_json(request));
	store_sessions_done(&sessions);
	return http_answer_composed(request, 200);
}

/* One that has ended already is told as it was. */
int api_stop_session(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct agent_session *session = session_find(user, http_text(request, "session"));

	if (!session)
		return api_session(request, user);
	if (!session_stop(session, request))
		return HTTP_LATER;
	error_set(&error, HF_E_DETACHED, "the session is being stopped already");
	return http_answer_error(request, &error);
}

int api_delete_session(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct agent *agent = user;
	const char *id = http_text(request, "session");
	int err;

	if (session_find(agent, id)) {
		error_set(&error, HF_E_DETACHED, "the session still runs");
		error_fix(&error, "stop it first");
		return http_answer_error(request, &error);
	}
	err = store_delete_session(agent->store, id);
	if (err == -ENOENT)
		return api_answer_missing(request, "session");
	return err ? api_answer_errno(request, err, "the session can't be deleted")
		   : http_answer_composed(request, 200);
}

int api_session_report(struct http_request *request, void *user)
{
	_cleanup_(strbuf_done) struct strbuf profile = STRBUF_INIT;
	struct api_profile_name name;
	struct store_sessions sessions;
	bool reported;

	if (!find_stored(user, request, &sessions))
		return HTTP_ANSWERED;
	reported = sessions.items[0].profile;
	strbuf_addf(&profile, "%lu", (unsigned long)sessions.items[0].profile);
	name = (struct api_profile_name){sessions.items[0].target, profile.buf};
	store_sessions_done(&sessions);
	if (!reported)
		return api_answer_missing(
			request, "report: the session was not traced, or no report of it came yet");
	return api_answer_profile(request, user, &name, API_FORMAT_JSON);
}

/* What was read while it ran. True: *ret is the caller's. */
static bool read_series(struct agent *agent, struct http_request *request, size_t points,
			struct store_sessions *ret_session, struct store_series *ret)
{
	struct store_sample_query query = {.max_points = points};
	int err;

	if (!find_stored(agent, request, ret_session))
		return false;
	query.target = ret_session->items[0].target;
	query.from_ns = ret_session->items[0].start_ns;
	query.to_ns = ret_session->items[0].end_ns ? ret_session->items[0].end_ns : clock_wall_ns();
	err = api_read_samples(agent, &query, ret);
	if (!err)
		return true;
	store_sessions_done(ret_session);
	api_answer_errno(request, err, "the series can't be read");
	return false;
}

int api_session_snapshots(struct http_request *request, void *user)
{
	struct store_sessions session;
	struct store_series series;
	struct json_out *json;

	if (!read_series(user, request, SNAPSHOTS_MOST, &session, &series))
		return HTTP_ANSWERED;
	json = http_json(request);
	json_out_string(json, "session_id", session.items[0].session_id);
	json_out_begin_array(json, "snapshots");
	for (size_t i = 0; i < series.count; i++) {
		const struct store_values *values = &series.items[i].values;

		json_out_begin_object(json, NULL);
		json_out_double(json, "time", (double)series.items[i].time_ns / 1e9);
#define PUT_VALUE(field, kind) api_put_u64(json, #field, values->field);
		STORE_SAMPLE_COLUMNS(PUT_VALUE)
#undef PUT_VALUE
		json_out_end_object(json);
	}
	json_out_end_array(json);
	store_series_done(&series);
	store_sessions_done(&session);
	return http_answer_composed(request, 200);
}

int api_session_chart(struct http_request *request, void *user)
{
	_cleanup_(strbuf_done) struct strbuf svg = STRBUF_INIT;
	const struct http_content content = {.type = "image/svg+xml"};
	struct store_sessions session;
	struct store_series series;

	if (!read_series(user, request, CHART_POINTS, &session, &series))
		return HTTP_ANSWERED;
	series_add_svg(&series, session.items[0].name, &svg);
	store_series_done(&series);
	store_sessions_done(&session);
	return http_answer_bytes(request, &content, &svg);
}
