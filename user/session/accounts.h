/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From events to accounts: who holds what, for every process of a session. Live events and those of a
 * recording go through here alike.
 *
 * One thread (ingest) while the feed runs; whoever stopped the feed owns it afterwards. No descriptor, no
 * clock: time is in the events.
 */
#ifndef HOLDFAST_SESSION_ACCOUNTS_H
#define HOLDFAST_SESSION_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/event.h>

#include "account/heap/watch.h"
#include "account/ledger/ledger.h"
#include "account/ledger/series.h"
#include "account/stack/stack_table.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "process/proc/maps.h"
#include "session/faults.h"
#include "session/thread_book.h"

/* What came since somebody looked last, where calls are traced only now and then. */
struct account_sampling {
	bool on;                     /* keep the list */
	struct watched_blocks fresh; /* handed out; at most FRESH_MAX */
	uint64_t fresh_dropped;
	/* Of what fell into windows: */
	uint64_t allocs, frees, first_ns, last_ns;
	uint64_t followed; /* allocations at followed calls */
};

#define FRESH_MAX 65536

/* Code of an allocator: what it maps is not the program's own. */
struct code_range {
	uint64_t start, end;
};

VEC_STRUCT(code_ranges, struct code_range);

/* An object of Python that was seen being made. */
struct birth {
	uint64_t time_ns, address, type;
	stack_id stack;
};

VEC_STRUCT(birth_vec, struct birth);

#define BIRTHS_MAX 16384 /* that nobody has taken yet; more are left out */

/* One process's account. After an exec it starts again from nothing: the blocks are gone. */
struct account {
	int pid, parent_pid;
	bool inherited;                /* a forked child: it began with its parent's blocks */
	bool inheritance_left_out;     /* they were too many: its ledger has not (all of) them */
	uint64_t started_ns, ended_ns; /* ended_ns 0: still runs */
	bool execed;                   /* ended by an exec: what its ledger still holds is gone */
	uint64_t exec_count;
	struct ledger *ledger;
	struct series *series;
	struct fault_table *faults;
	struct birth_vec births; /* since somebody took them */
	struct maps maps;        /* as last seen by the main thread: tells faults apart */
	struct account_sampling sampling;
	struct code_ranges allocator_code; /* of its allocators; empty: the kernel side tells */
};

/* What the main thread must know. */
enum life_kind { LIFE_FORKED, LIFE_EXECED, LIFE_EXITED, LIFE_CODE_CHANGED, LIFE_FILE_TOLD };

struct life {
	enum life_kind kind;
	int pid, parent_pid; /* parent_pid with LIFE_FORKED */
	uint64_t time_ns;
	struct hf_event_map code; /* with LIFE_CODE_CHANGED: the mapping that came */
	uint64_t inode;           /* with LIFE_FILE_TOLD: of a file with code, and where it lies */
	uint32_t device;
	const char *path; /* borrowed for the call */
};

struct accounts_options {
	uint64_t memory_bytes; /* bound of all ledgers, series and stacks together */
	bool follow;           /* children get accounts of their own */
	void (*life)(void *user, const struct life *life); /* may be NULL */
	void *user;
	struct thread_book *threads; /* borrowed; NULL: there is no rule by thread */
};

struct accounts;

int accounts_new(const struct accounts_options *options, struct accounts **ret);
void accounts_free(struct accounts *accounts);
DEFINE_CLEANUP(struct accounts *, accounts_free);

/* Opens an account; the one that @pid has, if any, ends. -ENOMEM, -ENOSPC: that one goes on. */
int accounts_add(struct accounts *accounts, int pid, int parent_pid, uint64_t time_ns);

/* struct event_handler's function; @user is the struct accounts. */
int accounts_event(void *accounts, const struct hf_event *event);

size_t accounts_count(const struct accounts *accounts);
struct account *accounts_at(const struct accounts *accounts, size_t index);
/* The running account of @pid, or NULL. */
struct account *accounts_find(const struct accounts *accounts, int pid);
const struct stack_table *accounts_stacks(const struct accounts *accounts);
/* The key of a span, by its word (holdfast/span.h), for people. */
void accounts_span_text(const struct accounts *accounts, uint64_t word, struct strbuf *ret);

struct accounts_counts {
	uint64_t events, by_kind[HF_EVENT_KIND_COUNT];
	uint64_t unknown_process; /* events of processes without account */
	uint64_t stacks_refused;  /* stacks without memory for them: their blocks have no stack */
	uint64_t spans_unknown;   /* allocations whose spans were not told: lost, or too many */
	uint64_t threads_unnamed; /* allocations of threads whose names were not known; thread_book.h */
	uint64_t accounts_dropped; /* ended processes with nothing to show, forgotten */
	struct hf_loss loss;       /* from LOSS events (recordings) */
};

void accounts_get_counts(const struct accounts *accounts, struct accounts_counts *ret);

/* Calls @visit for each stack with page faults. */
int account_for_each_fault(const struct account *account,
			   int (*visit)(const struct fault_count *fault, void *user), void *user);

#endif
