/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.h - what the fleet's numbers look like in ClickHouse (18.16 and later): database `holdfast`.
 *
 *	schema_version	which steps have been taken
 *	target_sample	the memory of a process at a time
 *	site_sample	what one stack of one process had allocated and not freed at a time
 *	series		whose samples they are; told once a day
 *	stack		names of stacks
 *	site_5m, site_15m	the last value of each series in 5 and 15 minutes, and its time, filled by
 *			materialised views
 *
 * A series is one stack of one process of one version of a service on one host. All tables make one of equal rows
 * (ReplacingMergeTree), so a batch that arrives twice changes nothing; before they are one, queries are right all the
 * same, for they ask for last values and for slopes, and a point that is there twice moves neither by much. Partitions
 * are days: old ones are dropped with ALTER TABLE … DROP PARTITION.
 * Constant tables.
 */
#ifndef HF_AGENT_SEND_SCHEMA_H
#define HF_AGENT_SEND_SCHEMA_H

#include <stddef.h>

/* The numbers are on disk, in the spool. */
enum fleet_table { FLEET_TARGETS, FLEET_SITES, FLEET_STACKS, FLEET_SERIES, FLEET_TABLE_COUNT };

/* With the database before it. */
extern const char *const fleet_table_names[FLEET_TABLE_COUNT];

#define SCHEMA_VERSION 1

/* Statements in their order. One that was taken before does no harm. */
struct schema_step {
	unsigned int version;
	const char *sql;
};

extern const struct schema_step schema_steps[];
extern const size_t schema_step_count;

/* Yields one number, 0 if there are no rows. */
extern const char schema_version_query[];

#endif
