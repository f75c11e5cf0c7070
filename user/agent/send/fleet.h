/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fleet.h - rows for ClickHouse: gathered in memory, cut into batches (gzip JSONEachRow) every interval or when there are
 * enough, kept in the spool, sent from there.
 *
 * Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_FLEET_H
#define HF_AGENT_SEND_FLEET_H

#include "agent/send/clickhouse.h"
#include "agent/send/parcel.h"
#include "agent/send/spool.h"
#include "config/agent_config.h"

struct fleet;

#define FLEET_BATCH_ROWS 5000

/* Takes the spool over when it succeeds. @identity outlives it, and may change. */
int fleet_new(struct loop *loop, struct spool *spool, const struct fleet_rule *identity,
	      struct fleet **ret_fleet);
/* What is in memory is lost; see fleet_flush(). */
void fleet_free(struct fleet *fleet);
DEFINE_CLEANUP(struct fleet *, fleet_free);

/* Batches go there from now on; it becomes the fleet's, and the one before is freed. */
void fleet_set_receiver(struct fleet *fleet, struct clickhouse *clickhouse);
struct clickhouse *fleet_receiver(const struct fleet *fleet);
struct spool *fleet_spool(const struct fleet *fleet);
/* The identity has changed: its interval holds from now on. 0 or -errno. */
int fleet_set_interval(struct fleet *fleet);

void fleet_add_sample(struct fleet *fleet, const struct send_target *target,
		      const struct send_sample *sample);
void fleet_add_sites(struct fleet *fleet, const struct send_target *target, uint64_t time_ns,
		     const struct send_site *sites, size_t count);
/* All rows into the spool, now. */
void fleet_flush(struct fleet *fleet);

/* The same functions, the same number, in every process, version and agent: XXH64. */
uint64_t fleet_stack_id(const struct send_site *site);

#endif
