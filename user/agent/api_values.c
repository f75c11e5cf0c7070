/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api_values.h"

#include <math.h>

#include "base/clock.h"

void api_put_u64(struct json_out *json, const char *name, uint64_t value)
{
	if (value == UINT64_MAX)
		json_out_null(json, name);
	else
		json_out_u64(json, name, value);
}

static void put_double(struct json_out *json, const char *name, double value)
{
	if (isfinite(value))
		json_out_double(json, name, value);
	else
		json_out_null(json, name);
}

void api_put_id(struct json_out *json, const char *name, uint64_t id)
{
	if (id)
		json_out_u64(json, name, id);
	else
		json_out_null(json, name);
}

void api_put_time(struct json_out *json, const char *name, uint64_t wall_ns)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	if (!wall_ns || clock_add_rfc3339(&text, wall_ns))
		json_out_null(json, name);
	else
		json_out_string(json, name, text.buf);
}

void api_put_growth(struct json_out *json, double bytes_per_second)
{
	put_double(json, "growth_bytes_per_second", bytes_per_second);
	put_double(json, "growth_rate_mb_per_min", bytes_per_second * 60 / API_MB);
}

void api_put_interval(struct json_out *json, const char *name, double low, double high)
{
	json_out_begin_array(json, name);
	put_double(json, NULL, low * 60 / API_MB);
	put_double(json, NULL, high * 60 / API_MB);
	json_out_end_array(json);
}
