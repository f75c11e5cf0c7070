/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this machine that are targets: found by rule, read at every interval, given up when they end.
 *
 *	process_watch_new(&options, &watch)
 *	process_watch_pass(watch, now_ns)	every interval: who came, who went, how much each holds
 *	process_watch_at(watch, i)		the targets, by pid
 *
 * A pass reads /proc once, two small files of each target through descriptors that are kept, and each process that is new. Of those that
 * are no targets some are looked at anew in each pass, all of them in WATCH_AGAIN_NS, for an exec or growth makes another of them. PSS and
 * USS (13 ms a GiB: the kernel walks page tables) are read at least every full_ns, one process after the other, as far as full_share of a CPU bears.
 *
 * Bounded: WATCH_MAX targets, 4.5 KiB each; more are counted. One owner, main thread.
 */
#ifndef HOLDFAST_WATCH_WATCH_H
#define HOLDFAST_WATCH_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/watch/facts.h"
#include "agent/watch/history.h"
#include "agent/watch/rules.h"
#include "base/cleanup.h"
#include "process/proc/handle.h"

#define WATCH_MAX      4096
#define WATCH_AGAIN_NS 10000000000ULL
#define WATCH_UNKNOWN  UINT64_MAX

/* One reading. */
struct watch_reading {
	uint64_t time_ns;             /* CLOCK_MONOTONIC; 0: none yet */
	struct process_memory memory; /* PSS, USS and swap: of the last full one */
	uint64_t full_ns;             /* when that was; 0: there was none */
	uint64_t minor_faults, major_faults;
	uint64_t limit_bytes, limit_usage_bytes; /* of its cgroup; 0: none */
};

struct watched {
	struct process_handle handle;
	struct process_facts facts; /* complete; the exe by whoever opened it */
	int rule;                   /* index in the configuration */
	struct watch_reading reading;
	struct history rss;
	uint64_t next_full_ns;
	uint64_t full_cost_ns; /* of the last one, CPU time */
	uint32_t execs;        /* seen: facts are of the newest program */
	void *user;            /* the owner's; NULL at first */
};

struct watch_options {
	const struct target_rules *rules;
	/*
	 * Opens a process that rules match; as broker_open(). -EPERM: it is none after all. @rule: the first that matches, as far as may be
	 * known here; changed by whom it is known better.
	 */
	int (*open)(void *user, int pid, struct process_handle *ret_handle, char **ret_exe,
		    int *rule);
	/* A target came (its first reading is there) or went, with the reason in a word; it is freed afterwards. */
	void (*came)(void *user, struct watched *watched);
	void (*went)(void *user, struct watched *watched, const char *reason);
	/* Never a target: ours, such as the broker's jobs. May be NULL. */
	bool (*skip)(void *user, int pid);
	void *user;
	uint64_t full_ns;
	double full_share;
};

struct process_watch;

int process_watch_new(const struct watch_options *options, struct process_watch **ret);
/* @went is called for none. */
void process_watch_free(struct process_watch *watch);
DEFINE_CLEANUP(struct process_watch *, process_watch_free);

/* 0 or -errno: /proc can't be read; what could be done was. */
int process_watch_pass(struct process_watch *watch, uint64_t now_ns);
/* All processes are held against other rules at the next pass: those that match none any more go ("rules"). Borrowed. */
void process_watch_set_rules(struct process_watch *watch, const struct target_rules *rules);

/* Off: their memory is not read any more, and all of a reading but its time is WATCH_UNKNOWN, or 0 where 0 says so. On at first. */
void process_watch_set_gauges(struct process_watch *watch, bool on);

size_t process_watch_count(const struct process_watch *watch);
/* By pid, ascending; valid until the next pass. */
struct watched *process_watch_at(const struct process_watch *watch, size_t index);
struct watched *process_watch_find(const struct process_watch *watch, int pid);
/* The same, but asks the rules about a process that no pass has met yet; NULL: it is no target. */
struct watched *process_watch_meet(struct process_watch *watch, int pid, uint64_t now_ns);
/* Reads one at once, @full too; -ESRCH: it is gone, and will go with the next pass. */
int process_watch_read(struct process_watch *watch, struct watched *watched, uint64_t now_ns,
		       bool full);

struct watch_counts {
	uint64_t processes; /* seen in the last pass */
	uint64_t refused; /* matched, but could not be opened, or were too many: since the beginning */
	uint64_t pass_ns; /* CPU time of the last pass, without full readings */
	uint64_t full_ns; /* of full readings in all */
};

void process_watch_get_counts(const struct process_watch *watch, struct watch_counts *ret);

#endif
