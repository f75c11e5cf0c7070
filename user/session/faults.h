/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page faults of one process, counted by stack and by what they brought in. One writer; bounded. */
#ifndef HOLDFAST_SESSION_FAULTS_H
#define HOLDFAST_SESSION_FAULTS_H

#include <holdfast/event.h>

#include "account/stack/stack_table.h"
#include "process/proc/maps.h"

/* What a page fault brought in. */
#define ACCOUNT_FAULT_KINDS(X) X(ANON, "anon") X(FILE, "file") X(SWAP, "swap") X(SHMEM, "shmem")

enum fault_kind {
#define X(upper, name) FAULT_##upper,
	ACCOUNT_FAULT_KINDS(X)
#undef X
		FAULT_KIND_COUNT
};

const char *fault_kind_name(enum fault_kind kind);

struct fault_count {
	stack_id stack;
	enum fault_kind kind;
	uint64_t count;
};

struct fault_table;

#define FAULT_TABLE_MAX (1u << 17) /* stacks x kinds; more go to the stack 0 */

int fault_table_new(struct fault_table **ret);
void fault_table_free(struct fault_table *table);

/*
 * @maps tells what lies at the address; NULL or unknown: anonymous. A fault that turns out to have read
 * from disk or swap shows in the next fault's major count of the same thread: an anonymous one was swap.
 */
void fault_table_count(struct fault_table *table, const struct hf_event_fault *event,
		       stack_id stack, const struct maps *maps);
void fault_table_thread_exit(struct fault_table *table, uint32_t tid);

int fault_table_for_each(const struct fault_table *table,
			 int (*visit)(const struct fault_count *fault, void *user), void *user);

#endif
