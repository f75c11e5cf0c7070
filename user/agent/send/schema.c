// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/schema.h"

const char *const fleet_table_names[FLEET_TABLE_COUNT] = {
	[FLEET_TARGETS] = "holdfast.target_sample",
	[FLEET_SITES] = "holdfast.site_sample",
	[FLEET_STACKS] = "holdfast.stack",
	[FLEET_SERIES] = "holdfast.series",
};

const char schema_version_query[] =
	"SELECT max(version) FROM holdfast.schema_version FORMAT TabSeparated";

#define ROLLUP(name, bucket)                                                                       \
	{1, "CREATE TABLE IF NOT EXISTS holdfast." name                                            \
	    " (bucket DateTime, service String, stack_id UInt64, series UInt64, out_bytes UInt64," \
	    " out_count UInt64, last_ts DateTime)"                                                 \
	    " ENGINE = ReplacingMergeTree(last_ts) PARTITION BY toDate(bucket)"                    \
	    " ORDER BY (service, stack_id, series, bucket)"},                                      \
	{                                                                                          \
		1, "CREATE MATERIALIZED VIEW IF NOT EXISTS holdfast." name                         \
		   "_view TO holdfast." name " AS SELECT " bucket                                  \
		   " AS bucket, service, stack_id, series, argMax(out_bytes, ts) AS out_bytes,"    \
		   " argMax(out_count, ts) AS out_count, max(ts) AS last_ts"                       \
		   " FROM holdfast.site_sample GROUP BY bucket, service, stack_id, series"         \
	}

const struct schema_step schema_steps[] = {
	{1, "CREATE DATABASE IF NOT EXISTS holdfast"},
	{1, "CREATE TABLE IF NOT EXISTS holdfast.schema_version"
	    " (version UInt32, applied DateTime, program String)"
	    " ENGINE = ReplacingMergeTree(applied) ORDER BY version"},
	{1, "CREATE TABLE IF NOT EXISTS holdfast.target_sample"
	    " (ts DateTime, service String, version String, host String, pid UInt32,"
	    " started DateTime, target String, rss_bytes Nullable(UInt64),"
	    " pss_bytes Nullable(UInt64), uss_bytes Nullable(UInt64), vms_bytes Nullable(UInt64),"
	    " swap_bytes Nullable(UInt64), heap_live_bytes Nullable(UInt64),"
	    " labels Nested(name String, value String))"
	    " ENGINE = ReplacingMergeTree PARTITION BY toDate(ts)"
	    " ORDER BY (service, host, pid, started, ts)"},
	{1, "CREATE TABLE IF NOT EXISTS holdfast.site_sample"
	    " (ts DateTime, series UInt64, service String, version String, host String, pid UInt32,"
	    " started DateTime, stack_id UInt64, out_bytes UInt64, out_count UInt64,"
	    " lost_bytes UInt64)"
	    " ENGINE = ReplacingMergeTree PARTITION BY toDate(ts)"
	    " ORDER BY (service, stack_id, series, ts)"},
	{1, "CREATE TABLE IF NOT EXISTS holdfast.series"
	    " (day Date, series UInt64, service String, version String, host String, pid UInt32,"
	    " started DateTime, stack_id UInt64)"
	    " ENGINE = ReplacingMergeTree PARTITION BY day ORDER BY (service, stack_id, series)"},
	{1, "CREATE TABLE IF NOT EXISTS holdfast.stack"
	    " (stack_id UInt64, function String, line String, frames Array(String),"
	    " updated DateTime)"
	    " ENGINE = ReplacingMergeTree(updated) ORDER BY stack_id"},
	ROLLUP("site_5m", "toStartOfFiveMinute(ts)"),
	ROLLUP("site_15m", "toStartOfFifteenMinutes(ts)"),
	{1, "INSERT INTO holdfast.schema_version (version, applied, program)"
	    " VALUES (1, now(), 'holdfast " HF_VERSION "')"},
};

const size_t schema_step_count = sizeof(schema_steps) / sizeof(schema_steps[0]);
