/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handlers of the agent's HTTP API, by the files that they stand in. api.c has the one table of routes; see agent/http/route.h.
 * @user is the struct agent. Main thread.
 */
#ifndef HOLDFAST_AGENT_API_H
#define HOLDFAST_AGENT_API_H

#include "agent/agent_internal.h"
#include "agent/http/http.h"
#include "agent/store/samples.h"

/* api_health.c */
int api_healthy(struct http_request *request, void *user);
int api_ready(struct http_request *request, void *user);
int api_health(struct http_request *request, void *user);
int api_status(struct http_request *request, void *user);
int api_openapi(struct http_request *request, void *user);
int api_alerts(struct http_request *request, void *user);
/* api_config.c */
int api_config(struct http_request *request, void *user);
/* metrics.c */
int api_metrics(struct http_request *request, void *user);
/* api_targets.c */
int api_targets(struct http_request *request, void *user);
int api_target(struct http_request *request, void *user);
int api_usage(struct http_request *request, void *user);
int api_components(struct http_request *request, void *user);
int api_component(struct http_request *request, void *user);
int api_spans(struct http_request *request, void *user);
/* api_trends.c */
int api_trends(struct http_request *request, void *user);
/* api_profiles.c */
int api_profiles(struct http_request *request, void *user);
int api_profile(struct http_request *request, void *user);
int api_diff(struct http_request *request, void *user);
int api_pprof(struct http_request *request, void *user);
/* api_actions.c */
int api_reload(struct http_request *request, void *user);
int api_trace(struct http_request *request, void *user);
int api_gc(struct http_request *request, void *user);
/* api_leaks.c */
int api_leaks(struct http_request *request, void *user);
int api_clear_leaks(struct http_request *request, void *user);
int api_clear_leak(struct http_request *request, void *user);
/* api_sessions.c */
int api_begin_session(struct http_request *request, void *user);
int api_sessions(struct http_request *request, void *user);
int api_session(struct http_request *request, void *user);
int api_stop_session(struct http_request *request, void *user);
int api_delete_session(struct http_request *request, void *user);
int api_session_report(struct http_request *request, void *user);
int api_session_snapshots(struct http_request *request, void *user);
int api_session_chart(struct http_request *request, void *user);
/* api_events.c */
int api_events(struct http_request *request, void *user);
int api_event_stream(struct http_request *request, void *user);

/*
 * What {target} means: an id, or pid-N for the running process with that pid. The id, and in *ret_target the running one (NULL: it has ended, or
 * @running was asked for). 0: there is none; then the request has been answered.
 */
uint64_t api_find_target(struct agent *agent, struct http_request *request, bool running,
			 struct agent_target **ret_target);
/* An errno of store or broker as an answer. */
int api_answer_errno(struct http_request *request, int err, const char *what);
/* store_read_samples(), but of what is on disk by then: a kill takes back nothing that was shown. */
int api_read_samples(struct agent *agent, const struct store_sample_query *query,
		     struct store_series *ret_series);
/* 404 with these texts. */
int api_answer_missing(struct http_request *request, const char *what);

/* Of profiles: the choices of a route, in the order of api_profiles.c's table. */
#define API_FORMATS "json|html|folded|pprof|speedscope|text"
enum { API_FORMAT_JSON, API_FORMAT_PPROF = 3 };

struct api_profile_name {
	uint64_t target;
	const char *profile; /* id, or "latest" */
};

int api_answer_profile(struct http_request *request, struct agent *agent,
		       const struct api_profile_name *name, int format);
/* The cursor of a page as it came, 0 without; and the next one. */
uint64_t api_cursor(const struct http_request *request);
void api_put_cursor(struct json_out *json, uint64_t next);

#endif
