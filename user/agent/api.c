/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one table of what the agent answers; the OpenAPI document is made of it. What objects look like stands in api_schemas.c. */
#include "agent/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_schemas.h"
#include "agent/web_assets.h"

#define END                  \
	{                    \
		.name = NULL \
	}
#define TARGET_HELP "a target's id, or pid-N for the running process with that pid"
#define IN_PATH(field, text)                                                              \
	{                                                                                 \
		.name = (field), .place = HTTP_IN_PATH, .kind = HTTP_TEXT, .help = (text) \
	}
#define TARGET IN_PATH("target", TARGET_HELP)
#define ANY_TARGET                                                                               \
	{                                                                                        \
		.name = "target", .kind = HTTP_TEXT, .help = "only of this target: " TARGET_HELP \
	}
#define PAGE                                                                                  \
	{.name = "limit",                                                                     \
	 .kind = HTTP_INTEGER,                                                                \
	 .least = 1,                                                                          \
	 .most = 1000,                                                                        \
	 .initial = "100",                                                                    \
	 .help = "how many at most"},                                                         \
	{                                                                                     \
		.name = "cursor", .kind = HTTP_TEXT, .help = "next_cursor of the page before" \
	}
#define STATE(list, first)                                                                   \
	{                                                                                    \
		.name = "state", .kind = HTTP_CHOICE, .choices = (list), .initial = (first), \
		.help = "which of them"                                                      \
	}
#define FIELDS(...)                 \
	(const struct http_field[]) \
	{                           \
		__VA_ARGS__, END    \
	}
#define PROFILE_TYPES "application/json|text/html|text/plain|application/octet-stream"
#define API           "/api/v1"
#define OF_TARGET     API "/targets/{target}"
#define OF_SESSION    API "/sessions/{session}"
#define SESSION_ID    IN_PATH("session", "a session's id")

static const struct http_route routes[] = {
	{.path = "/-/healthy",
	 .summary = "The agent is alive",
	 .answer = {.media_types = "text/plain"},
	 .flags = HTTP_PUBLIC,
	 .handler = api_healthy},
	{.path = "/-/ready",
	 .summary = "The agent has looked at all targets once",
	 .answer = {.media_types = "text/plain"},
	 .flags = HTTP_PUBLIC,
	 .handler = api_ready},
	{.method = HTTP_POST,
	 .path = "/-/reload",
	 .summary = "Read the configuration anew, all of it or nothing",
	 .answer = {.schema = &schema_reload},
	 .handler = api_reload},
	{.path = "/healthz",
	 .summary = "Memory against thresholds, active leaks, and how the agent itself is",
	 .answer = {.schema = &schema_health},
	 .handler = api_health},
	{.path = "/metrics",
	 .summary = "Metrics for Prometheus, or as OpenMetrics",
	 .answer = {.media_types = "text/plain|application/openmetrics-text"},
	 .handler = api_metrics},
	{.path = "/debug/pprof/heap",
	 .summary = "The newest profile of a target, as pprof reads it",
	 .parameters = FIELDS(
		 {.name = "target", .kind = HTTP_TEXT, .required = true, .help = TARGET_HELP}),
	 .answer = {.media_types = "application/octet-stream"},
	 .handler = api_pprof},
	{.path = API "/openapi.json",
	 .summary = "This document",
	 .flags = HTTP_PUBLIC,
	 .handler = api_openapi},
	{.path = API "/status",
	 .summary = "What the agent is, does and costs",
	 .answer = {.schema = &schema_status},
	 .handler = api_status},
	{.path = API "/config",
	 .summary = "The configuration in force, without secrets",
	 .handler = api_config},
	{.path = API "/targets",
	 .summary = "Targets, worst first within a page",
	 .parameters = FIELDS(STATE("running|ended|all", "running"),
			      {.name = "sort",
			       .kind = HTTP_CHOICE,
			       .choices = "growth|rss|name",
			       .initial = "growth",
			       .help = "growth puts what is critical first"},
			      PAGE),
	 .answer = {.schema = &schema_targets},
	 .handler = api_targets},
	{.path = OF_TARGET,
	 .summary = "One target",
	 .parameters = FIELDS(TARGET),
	 .answer = {.schema = &schema_target},
	 .handler = api_target},
	{.path = OF_TARGET "/usage",
	 .summary = "Its memory, read now",
	 .parameters = FIELDS(TARGET),
	 .answer = {.schema = &schema_usage},
	 .handler = api_usage},
	{.path = OF_TARGET "/trends",
	 .summary = "Its memory over time",
	 .parameters = FIELDS(TARGET,
			      {.name = "window_minutes",
			       .kind = HTTP_NUMBER,
			       .least = 0.01,
			       .most = 200000,
			       .initial = "60",
			       .help = "so many minutes until now (or until `to`)"},
			      {.name = "from",
			       .kind = HTTP_NUMBER,
			       .least = 0,
			       .most = 1e10,
			       .help = "unix time in seconds, instead of window_minutes"},
			      {.name = "to",
			       .kind = HTTP_NUMBER,
			       .least = 0,
			       .most = 1e10,
			       .help = "unix time in seconds; else now"},
			      {.name = "points",
			       .kind = HTTP_INTEGER,
			       .least = 2,
			       .most = 10000,
			       .initial = "500",
			       .help = "how many at most; the extremes stay"}),
	 .answer = {.schema = &schema_trends},
	 .handler = api_trends},
	{.path = OF_TARGET "/components",
	 .summary = "Traced memory by component; their sum is the whole",
	 .parameters = FIELDS(TARGET),
	 .answer = {.schema = &schema_components},
	 .handler = api_components},
	{.path = OF_TARGET "/components/{name}",
	 .summary = "One component",
	 .parameters = FIELDS(TARGET, IN_PATH("name", "of the component")),
	 .answer = {.schema = &schema_component},
	 .handler = api_component},
	{.path = OF_TARGET "/spans",
	 .summary =
		 "What was allocated within spans and is held, by the newest trace, largest first",
	 .parameters = FIELDS(TARGET, PAGE),
	 .answer = {.schema = &schema_spans},
	 .handler = api_spans},
	{.path = OF_TARGET "/profiles",
	 .summary = "Its profiles, newest first",
	 .parameters = FIELDS(TARGET, PAGE),
	 .answer = {.schema = &schema_profiles},
	 .handler = api_profiles},
	{.path = OF_TARGET "/profiles/{profile}",
	 .summary = "One profile, in any format of a report",
	 .parameters = FIELDS(TARGET, IN_PATH("profile", "a profile's id, or latest"),
			      {.name = "format",
			       .kind = HTTP_CHOICE,
			       .choices = API_FORMATS,
			       .initial = "json",
			       .help = "what to make of it"}),
	 .answer = {.media_types = PROFILE_TYPES},
	 .handler = api_profile},
	{.path = OF_TARGET "/diff",
	 .summary = "What grew between two profiles",
	 .parameters = FIELDS(TARGET,
			      {.name = "from",
			       .kind = HTTP_TEXT,
			       .required = true,
			       .help = "the earlier profile's id"},
			      {.name = "to",
			       .kind = HTTP_TEXT,
			       .initial = "latest",
			       .help = "the later one's id, or latest"},
			      {.name = "format",
			       .kind = HTTP_CHOICE,
			       .choices = "json|html|folded|text",
			       .initial = "json",
			       .help = "what to make of it"}),
	 .answer = {.media_types = "application/json|text/html|text/plain"},
	 .handler = api_diff},
	{.method = HTTP_POST,
	 .path = OF_TARGET "/trace",
	 .summary = "Trace it now",
	 .parameters = FIELDS(TARGET),
	 .body = FIELDS({.name = "for_s",
			 .kind = HTTP_NUMBER,
			 .least = 1,
			 .most = 86400,
			 .initial = "60",
			 .help = "so many seconds"}),
	 .answer = {.status = 202, .schema = &schema_trace},
	 .handler = api_trace},
	{.method = HTTP_POST,
	 .path = OF_TARGET "/gc",
	 .summary = "Force a collection of garbage in a Python process",
	 .parameters = FIELDS(TARGET),
	 .body = FIELDS({.name = "trim",
			 .kind = HTTP_BOOLEAN,
			 .initial = "false",
			 .help = "give free memory back to the system, too"},
			{.name = "wait_s",
			 .kind = HTTP_NUMBER,
			 .least = 0.1,
			 .most = 3600,
			 .initial = "10",
			 .help = "for a moment at which it can be done safely"}),
	 .answer = {.schema = &schema_gc},
	 .handler = api_gc},
	{.path = API "/leaks",
	 .summary = "Leaks that were found; at_end: active until their target ended",
	 .parameters = FIELDS(ANY_TARGET, STATE("active|cleared|all|at_end", "active"), PAGE),
	 .answer = {.schema = &schema_leaks},
	 .handler = api_leaks},
	{.method = HTTP_DELETE,
	 .path = API "/leaks",
	 .summary = "Clear all active leaks; they come back with new evidence only",
	 .parameters = FIELDS(ANY_TARGET),
	 .answer = {.schema = &schema_cleared},
	 .handler = api_clear_leaks},
	{.method = HTTP_DELETE,
	 .path = API "/leaks/{leak}",
	 .summary = "Clear one leak",
	 .parameters = FIELDS(IN_PATH("leak", "a leak's id")),
	 .answer = {.schema = &schema_cleared},
	 .handler = api_clear_leak},
	{.method = HTTP_POST,
	 .path = API "/sessions",
	 .summary =
		 "Begin a profiling session; answers when its target is traced, if its mode traces",
	 .body = FIELDS(
		 {.name = "target", .kind = HTTP_TEXT, .required = true, .help = TARGET_HELP},
		 {.name = "session_name",
		  .kind = HTTP_TEXT,
		  .most = 256,
		  .help = "for people; without one it is called unnamed"},
		 {.name = "description", .kind = HTTP_TEXT, .most = 4096, .help = "for people"}),
	 .answer = {.status = 201, .schema = &schema_session},
	 .handler = api_begin_session},
	{.path = API "/sessions",
	 .summary = "Profiling sessions",
	 .parameters = FIELDS(ANY_TARGET, STATE("running|ended|all", "all"), PAGE),
	 .answer = {.schema = &schema_sessions},
	 .handler = api_sessions},
	{.path = OF_SESSION,
	 .summary = "One session",
	 .parameters = FIELDS(SESSION_ID),
	 .answer = {.schema = &schema_session},
	 .handler = api_session},
	{.method = HTTP_POST,
	 .path = OF_SESSION "/stop",
	 .summary = "End a session; answers with its result",
	 .parameters = FIELDS(SESSION_ID),
	 .answer = {.schema = &schema_session},
	 .handler = api_stop_session},
	{.method = HTTP_DELETE,
	 .path = OF_SESSION,
	 .summary = "Forget a session that has ended",
	 .parameters = FIELDS(SESSION_ID),
	 .handler = api_delete_session},
	{.path = OF_SESSION "/report",
	 .summary = "Its report (holdfast.report/1)",
	 .parameters = FIELDS(SESSION_ID),
	 .handler = api_session_report},
	{.path = OF_SESSION "/snapshots",
	 .summary = "Every reading while it ran",
	 .parameters = FIELDS(SESSION_ID),
	 .answer = {.schema = &schema_snapshots},
	 .handler = api_session_snapshots},
	{.path = OF_SESSION "/chart.svg",
	 .summary = "Its memory over time, as a picture",
	 .parameters = FIELDS(SESSION_ID),
	 .answer = {.media_types = "image/svg+xml"},
	 .handler = api_session_chart},
	{.path = API "/events",
	 .summary = "What happened: newest first, or from `since` on, oldest first",
	 .parameters =
		 FIELDS({.name = "since",
			 .kind = HTTP_INTEGER,
			 .least = 0,
			 .most = 9e15,
			 .help = "events after the one with this id; give it with every page"},
			{.name = "from",
			 .kind = HTTP_NUMBER,
			 .least = 0,
			 .most = 9e9,
			 .help = "unix time in seconds: none before"},
			{.name = "to",
			 .kind = HTTP_NUMBER,
			 .least = 0,
			 .most = 9e9,
			 .help = "unix time in seconds: none after"},
			{.name = "kind", .kind = HTTP_TEXT, .help = "only of this kind"},
			ANY_TARGET, PAGE),
	 .answer = {.schema = &schema_events},
	 .handler = api_events},
	{.path = API "/events/stream",
	 .summary = "Events as they happen (server-sent events); honours Last-Event-ID",
	 .parameters = FIELDS({.name = "since",
			       .kind = HTTP_INTEGER,
			       .least = 0,
			       .most = 9e15,
			       .help = "begin after the event with this id; else with what comes"},
			      {.name = "kind", .kind = HTTP_TEXT, .help = "only of this kind"},
			      ANY_TARGET),
	 .answer = {.media_types = "text/event-stream"},
	 .flags = HTTP_STREAM,
	 .handler = api_event_stream},
	{.path = API "/alerts",
	 .summary = "Thresholds that are exceeded now",
	 .answer = {.schema = &schema_alerts},
	 .handler = api_alerts},
};

#define ROUTES (sizeof(routes) / sizeof(*routes))

/* What stands behind the routes of the pages. */
struct api_table {
	struct http_table http;
	struct http_asset *assets;
	struct http_route *routes;
};

static void add_page(struct api_table *table, size_t index, const struct web_asset *page)
{
	table->assets[index] = (struct http_asset){
		.type = page->content_type, .start = page->start, .end = page->end};
	table->routes[ROUTES + index] = (struct http_route){
		.path = page->path,
		.summary = "A part of the page",
		.flags = HTTP_PUBLIC | HTTP_HIDDEN,
		.asset = &table->assets[index],
	};
}

int api_table_new(struct api_table **ret)
{
	_cleanup_(api_table_freep) struct api_table *table = calloc(1, sizeof(*table));
	size_t count;
	const struct web_asset *pages = web_assets(&count);

	if (!table)
		return -ENOMEM;
	table->assets = calloc(count, sizeof(*table->assets));
	table->routes = calloc(ROUTES + count, sizeof(*table->routes));
	if (!table->assets || !table->routes)
		return -ENOMEM;
	memcpy(table->routes, routes, sizeof(routes));
	for (size_t i = 0; i < count; i++)
		add_page(table, i, &pages[i]);
	table->http = (struct http_table){
		.routes = table->routes,
		.count = ROUTES + count,
		.title = "holdfast agent",
		.description = "What the processes of this machine hold, and what they have lost.",
	};
	*ret = no_free_ptr(table);
	return 0;
}

void api_table_free(struct api_table *table)
{
	if (!table)
		return;
	free(table->assets);
	free(table->routes);
	free(table);
}

const struct http_table *api_table_http(const struct api_table *table)
{
	return &table->http;
}
