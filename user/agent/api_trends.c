/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory over time, from the store. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "account/gauge/trend.h"
#include "agent/api.h"
#include "agent/api_values.h"
#include "base/clock.h"

#define FIT_POINTS 200

/* Members of a trend's object, by the offset of their values. */
static const struct {
	const char *name;
	size_t offset;
} columns[] = {
	{"rss_bytes", offsetof(struct store_point, values.rss_bytes)},
	{"vms_bytes", offsetof(struct store_point, values.vms_bytes)},
	{"uss_bytes", offsetof(struct store_point, values.uss_bytes)},
	{"pss_bytes", offsetof(struct store_point, values.pss_bytes)},
	{"swap_bytes", offsetof(struct store_point, values.swap_bytes)},
	{"heap_live_bytes", offsetof(struct store_point, values.heap_live_bytes)},
	{"heap_objects", offsetof(struct store_point, values.heap_objects)},
	{"gc_collections", offsetof(struct store_point, values.gc_collections)},
	{"rss_min_bytes", offsetof(struct store_point, rss_min_bytes)},
};

static void put_column(struct json_out *json, const struct store_series *series, size_t column)
{
	json_out_begin_array(json, columns[column].name);
	for (size_t i = 0; i < series->count; i++)
		api_put_u64(json, NULL,
			    *(const uint64_t *)((const char *)&series->items[i] +
						columns[column].offset));
	json_out_end_array(json);
}

static void put_series(const struct store_series *series, struct json_out *json)
{
	json_out_double(json, "resolution_s", (double)series->resolution_ns / 1e9);
	json_out_begin_array(json, "timestamps");
	for (size_t i = 0; i < series->count; i++)
		json_out_double(json, NULL, (double)series->items[i].time_ns / 1e9);
	json_out_end_array(json);
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		put_column(json, series, i);
}

/* Of what a sawtooth falls back to, as everywhere else. */
static int fit(const struct store_series *series, struct trend *ret)
{
	size_t count = series->count < FIT_POINTS ? series->count : FIT_POINTS;
	uint64_t times[FIT_POINTS];
	double values[FIT_POINTS];

	for (size_t i = 0; i < count; i++) {
		const struct store_point *point = &series->items[i * series->count / count];

		times[i] = point->time_ns;
		values[i] = (double)(point->rss_min_bytes != STORE_UNKNOWN
					     ? point->rss_min_bytes
					     : point->values.rss_bytes);
	}
	return trend_fit(times, values, count, ret);
}

static uint64_t ns_of(double unix_s)
{
	return unix_s > 0 ? (uint64_t)(unix_s * 1e9) : 0;
}

/* Of the request: from and to, or the last window_minutes. */
static void read_window(const struct http_request *request, struct store_sample_query *query)
{
	double minutes = http_number(request, "window_minutes");

	query->to_ns = http_given(request, "to") ? ns_of(http_number(request, "to"))
						 : clock_wall_ns();
	query->from_ns = query->to_ns - (uint64_t)(minutes * 60e9);
	if (http_given(request, "from"))
		query->from_ns = ns_of(http_number(request, "from"));
	else if ((double)query->to_ns < minutes * 60e9)
		query->from_ns = 0;
}

static void put_trend(struct json_out *json, const struct store_series *series)
{
	struct trend trend = {0};
	bool known = !fit(series, &trend);

	api_put_growth(json, trend.slope_per_second);
	api_put_interval(json, "growth_interval", trend.low, trend.high);
	json_out_bool(json, "growth_known", known);
}

int api_read_samples(struct agent *agent, const struct store_sample_query *query,
		     struct store_series *ret_series)
{
	/* Where the disk refuses them they wait on, and are read from memory. */
	store_commit(agent->store);
	return store_read_samples(agent->store, query, ret_series);
}

int api_trends(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct store_sample_query query = {
		.target = api_find_target(agent, request, false, &target),
		.max_points = (size_t)http_integer(request, "points"),
	};
	struct store_series series;
	struct json_out *json;
	int err;

	if (!query.target)
		return HTTP_ANSWERED;
	read_window(request, &query);
	err = api_read_samples(agent, &query, &series);
	if (err)
		return api_answer_errno(request, err, "the series can't be read");
	json = http_json(request);
	json_out_u64(json, "target", query.target);
	json_out_double(json, "from", (double)query.from_ns / 1e9);
	json_out_double(json, "to", (double)query.to_ns / 1e9);
	put_series(&series, json);
	put_trend(json, &series);
	store_series_done(&series);
	if (target) {
		json_out_begin_object(json, "thresholds");
		json_out_double(json, "warning_bytes", target->limits.of[ALARM_MEMORY_WARNING]);
		json_out_double(json, "critical_bytes", target->limits.of[ALARM_MEMORY_CRITICAL]);
		json_out_end_object(json);
	}
	return http_answer_composed(request, 200);
}
