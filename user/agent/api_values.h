/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the API writes what is the same everywhere: bytes that may be unknown, times, rates, ids. */
#ifndef HOLDFAST_AGENT_API_VALUES_H
#define HOLDFAST_AGENT_API_VALUES_H

#include <stdint.h>

#include "report/export/json_out.h"

#define API_MB 1048576.0

/* UINT64_MAX: null. */
void api_put_u64(struct json_out *json, const char *name, uint64_t value);
/* 0: null. */
void api_put_id(struct json_out *json, const char *name, uint64_t id);
/* Wall time as RFC 3339; 0: null. */
void api_put_time(struct json_out *json, const char *name, uint64_t wall_ns);
/* growth_bytes_per_second and growth_rate_mb_per_min; NaN: null. */
void api_put_growth(struct json_out *json, double bytes_per_second);
/* Of bytes per second, as MB per minute. */
void api_put_interval(struct json_out *json, const char *name, double low, double high);

#endif
