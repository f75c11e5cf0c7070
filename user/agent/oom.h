/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target that the kernel killed for memory. What it held, how it grew and what it leaked is told while the agent still has it; its last
 * profile comes from the job that traced it, if there was one, a moment later, as do leaks that only that one shows. Main thread.
 */
#ifndef HOLDFAST_AGENT_OOM_H
#define HOLDFAST_AGENT_OOM_H

#include <stdbool.h>

#include "agent/agent_internal.h"
#include "base/strbuf.h"

#define OOM_REASON "oom" /* store_target.end_reason */

/*
 * Of a target whose process is gone, before its leaks are given up. True: it was killed for memory; then the event TargetKilled and the alert
 * HoldfastOomKill (which ends by itself, OOM_ALERT_NS later) were sent, and @ret_detail is a JSON object:
 *	killed_at, rss_bytes (by the kernel, or the last reading), vms_bytes, limit_bytes, heap_live_bytes (null: none, or not known),
 *	growth_bytes_per_second, growth_rate_mb_per_min, growth_known, traced, leaks: [leak_id]
 */
bool oom_take(struct agent_target *target, struct strbuf *ret_detail);

#define OOM_ALERT_NS (900 * NS_PER_S)

#endif
