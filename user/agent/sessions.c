/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_values.h"
#include "agent/sessions_internal.h"
#include "agent/store/samples.h"
#include "agent/store/sessions.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"

static void session_free(struct agent_session *session)
{
	struct agent *agent = session->agent;

	for (size_t i = 0; i < agent->sessions.count; i++) {
		if (agent->sessions.items[i] != session)
			continue;
		vec_remove_unordered(&agent->sessions, i);
		break;
	}
	free(session->name);
	free(session->description);
	free(session);
}

static void put_into_store(const struct agent_session *session)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;
	struct store_session row;
	int err;

	session_fill_row(session, &detail, &row);
	err = detail.failed ? -ENOMEM : store_put_session(session->agent->store, &row);
	if (err)
		log_warn_err(err, "session %s is not kept", session->session_id);
}

void sessions_put_all(struct agent *agent)
{
	for (size_t i = 0; i < agent->sessions.count; i++)
		put_into_store(agent->sessions.items[i]);
}

static void answer(struct agent_session *session, struct http_request **request,
		   unsigned int status)
{
	if (!*request)
		return;
	session_put_json(session, http_json(*request));
	http_answer_composed(*request, status);
	*request = NULL;
}

static struct agent_session *session_new(struct agent_target *target, const char *name,
					 const char *description)
{
	struct agent_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->agent = target->agent;
	session->name = strdup(name);
	session->description = strdup(description);
	if (!session->name || !session->description ||
	    vec_push(&target->agent->sessions, session)) {
		session_free(session);
		return NULL;
	}
	snprintf(session->session_id, sizeof(session->session_id), "%016lx",
		 (unsigned long)hash_seed_random());
	session->target = target;
	session->target_id = target->id;
	session->pid = target->watched->handle.key.pid;
	session->start_ns = clock_now_ns();
	session->start_wall_ns = clock_wall_ns();
	session->gc_at_start = target->inside.gc_collections;
	return session;
}

static void take_sample(struct agent_session *session)
{
	uint64_t rss_bytes = session->target->watched->reading.memory.rss_bytes;

	session->samples++;
	session->end_rss_bytes = rss_bytes;
	if (rss_bytes > session->peak_rss_bytes)
		session->peak_rss_bytes = rss_bytes;
}

static void tell(const struct agent_session *session, bool completed)
{
	event_operation(session->agent,
			&(struct operation){"session", session->target, session->name,
					    session->session_id},
			completed);
}

int session_begin(struct agent_target *target, const char *name, const char *description,
		  struct http_request *request)
{
	struct agent *agent = target->agent;
	struct agent_session *session;
	uint64_t now_ns = clock_now_ns();

	if (agent->sessions.count >= SESSIONS_MOST)
		return -EBUSY;
	session = session_new(target, name, description);
	if (!session)
		return -ENOMEM;
	process_watch_read(agent->watch, target->watched, now_ns, true);
	take_sample(session);
	session->start_rss_bytes = session->end_rss_bytes;
	session->beginning = request;
	session->wait_until_ns = now_ns + SESSION_WAIT_NS;
	target->sessions++;
	target->trace.failed_until_ns = 0;
	put_into_store(session);
	tell(session, false);
	if (target->job ? target->job->started : !tracing_allowed(target))
		answer(session, &session->beginning, 201);
	else
		tracing_tick(agent, now_ns);
	return 0;
}

struct agent_session *session_find(const struct agent *agent, const char *session_id)
{
	for (size_t i = 0; i < agent->sessions.count; i++)
		if (!strcmp(agent->sessions.items[i]->session_id, session_id))
			return agent->sessions.items[i];
	return NULL;
}

/* It is over: what is known is what there will be. */
static void finish(struct agent_session *session)
{
	answer(session, &session->beginning, 201);
	session->end_wall_ns = clock_wall_ns();
	put_into_store(session);
	if (session->target)
		session->target->sessions--;
	tell(session, true);
	answer(session, &session->ending, 200);
	session_free(session);
}

int session_stop(struct agent_session *session, struct http_request *request)
{
	struct agent_job *job = session->target ? session->target->job : NULL;

	if (session->is_ending)
		return -EALREADY;
	session->is_ending = true;
	session->ending = request;
	session->wait_until_ns = clock_now_ns() + SESSION_WAIT_NS;
	if (session->target && !process_watch_read(session->agent->watch, session->target->watched,
						   clock_now_ns(), true))
		take_sample(session);
	if (!job || !job->started || job->stopping ||
	    job_send(job->channel.fd, JOB_ASK_REPORT, NULL, 0)) {
		finish(session);
		return 0;
	}
	job->report_asked = true;
	return 0;
}

void sessions_traced(struct agent *agent, const struct agent_target *target)
{
	for (size_t i = 0; i < agent->sessions.count; i++)
		if (agent->sessions.items[i]->target == target)
			answer(agent->sessions.items[i], &agent->sessions.items[i]->beginning, 201);
}

void sessions_reported(const struct agent_job *job)
{
	struct agent *agent = job->agent;

	for (size_t i = agent->sessions.count; i--;) {
		struct agent_session *session = agent->sessions.items[i];

		if (session->target_id != job->target_id)
			continue;
		session->profile = job->profile;
		if (session->is_ending)
			finish(session);
	}
}

void sessions_target_went(struct agent *agent, const struct agent_target *target)
{
	for (size_t i = agent->sessions.count; i--;) {
		struct agent_session *session = agent->sessions.items[i];

		if (session->target != target)
			continue;
		/* Its job may still send a last report, which is waited for. */
		session->target = NULL;
		session->is_ending = true;
		session->wait_until_ns = clock_now_ns() + SESSION_WAIT_NS / 4;
		if (!target->job)
			finish(session);
	}
}

void sessions_tick(struct agent *agent, uint64_t now_ns)
{
	for (size_t i = agent->sessions.count; i--;) {
		struct agent_session *session = agent->sessions.items[i];

		if (session->target)
			take_sample(session);
		if (now_ns < session->wait_until_ns)
			continue;
		answer(session, &session->beginning, 201);
		if (session->is_ending)
			finish(session);
	}
}

void sessions_load(struct agent *agent)
{
	const struct store_session_query query = {.state = STORE_SESSIONS_RUNNING};
	struct store_sessions sessions;
	int err = store_list_sessions(agent->store, &query, &sessions);

	if (err) {
		log_warn_err(err, "sessions of before can't be read");
		return;
	}
	for (size_t i = 0; i < sessions.count; i++) {
		sessions.items[i].state = "interrupted";
		sessions.items[i].end_ns = clock_wall_ns();
		store_put_session(agent->store, &sessions.items[i]);
	}
	store_sessions_done(&sessions);
}

void sessions_free(struct agent *agent)
{
	while (agent->sessions.count)
		finish(agent->sessions.items[agent->sessions.count - 1]);
	vec_done(&agent->sessions);
}

void session_put_json(const struct agent_session *session, struct json_out *json)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;
	struct store_session row;

	session_fill_row(session, &detail, &row);
	session_row_put_json(&row, json);
}
