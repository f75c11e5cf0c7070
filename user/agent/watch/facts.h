/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a process is, as far as rules ask for it. Names are the target's own: any bytes.
 *
 *	facts_read(pid, &facts)	comm, parent, RSS: one file
 *	facts_complete(&facts)		the rest: command line, cgroup, user, program
 *	facts_done(&facts)
 *
 * Caller's storage, one owner.
 */
#ifndef HOLDFAST_WATCH_FACTS_H
#define HOLDFAST_WATCH_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "process/proc/process.h"

struct process_facts {
	struct process_stat stat;
	bool complete; /* what follows is there; texts are never NULL then */
	char *exe;     /* "" if we may not know it */
	bool exe_unknown;
	char *cmdline, *cgroup, *container, *unit;
	uint32_t uid;
	uint64_t start_wall_ns;
};

#define PROCESS_FACTS_INIT        \
	{                         \
		.complete = false \
	}

/* 0 or -ESRCH. */
int facts_read(int pid, struct process_facts *ret);
/* 0, -ESRCH (also where its pid is another process's by now), -ENOMEM. Again on one that is complete: reads anew. */
int facts_complete(struct process_facts *facts);
void facts_done(struct process_facts *facts);

#endif
