/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clickhouse.h - the spool's batches into ClickHouse, over HTTP, in order; before the first its tables, where it lets us.
 *
 * What ClickHouse cannot parse is dropped and counted; everything else that goes wrong, a wrong password included,
 * is tried again. Where tables of an older version are there and may not be changed, they are used as they are.
 *
 * Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_CLICKHOUSE_H
#define HF_AGENT_SEND_CLICKHOUSE_H

#include "agent/send/lane.h"
#include "agent/send/spool.h"

struct clickhouse;

/* Takes the lane over when it succeeds; the spool stays the caller's. */
int clickhouse_new(struct lane *lane, struct spool *spool, struct clickhouse **ret_clickhouse);
void clickhouse_free(struct clickhouse *clickhouse);
DEFINE_CLEANUP(struct clickhouse *, clickhouse_free);

/* `made` is called with `user` whenever tables were made: the stacks' names are to be sent anew. */
void clickhouse_on_made(struct clickhouse *clickhouse, void (*made)(void *user), void *user);
/* There are new batches. */
void clickhouse_wake(struct clickhouse *clickhouse);
struct lane *clickhouse_lane(const struct clickhouse *clickhouse);

/* The number in "Code: 60, e.displayText() = …"; 0: none there. */
unsigned int clickhouse_error_code(const char *body);
/* `url` with parameters added, "query=…" first: percent-encoded `sql`, then `rest` as it is. 0 or -ENOMEM. */
int clickhouse_add_url(struct strbuf *out, const char *url, const char *sql, const char *rest);

#endif
