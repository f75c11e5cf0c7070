/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One traced process: who it is, what code it has mapped and when.
 *
 * Mappings of code are kept with the time during which they were there, so that an address seen earlier
 * is still understood after a dlclose, an exec or the process's end. One owner, one thread.
 */
#ifndef HOLDFAST_TARGET_H
#define HOLDFAST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "process/proc/process.h"
#include "process/target/module.h"

struct target_mapping {
	uint64_t start, end; /* [start, end) */
	uint64_t offset;     /* in the file */
	uint64_t bias;       /* pc - bias = module address */
	const struct module *module;
	uint64_t from_ns, until_ns; /* UINT64_MAX: still there */
	bool guessed;               /* from_ns: no event told */
};

struct target {
	struct process_key key;
	int parent_pid; /* at attach */
	char *comm, *exe, *cmdline, *container, *cgroup;
	uint64_t start_wall_ns; /* since the epoch */
	uint64_t started_ns;    /* CLOCK_MONOTONIC when we began to look */
	uint64_t ended_wall_ns; /* 0: still runs */
	int seccomp_mode;
	const struct module *exe_module; /* NULL if it can't be read */
	uint64_t exe_bias;
	struct target_mapping *mappings; /* by start, then from_ns */
	size_t mapping_count;
	uint64_t forgotten; /* mappings that were gone, and too many to be kept */
	uint64_t looked_ns; /* when the last reading of the maps began */
};

/*
 * Looks at @pid. Errors: HF_E_NOPID, HF_E_PERM, HF_E_UNSUPPORTED (kernel thread, 32-bit, zombie, already
 * traced), HF_E_INTERNAL.
 */
int target_new(struct module_set *modules, int pid, uint64_t now_ns, struct target **ret,
	       struct hf_error *err);
void target_free(struct target *target);
DEFINE_CLEANUP(struct target *, target_free);

struct target_change {
	bool added;   /* code came */
	bool removed; /* code went: addresses may get a new meaning */
};

/*
 * Reads the maps anew. What came is taken to have come right after the last look began, until target_note_code() tells
 * when; what went did so when this look was over at the latest.
 */
int target_refresh(struct target *target, struct module_set *modules, struct target_change *ret);
/*
 * A file's code was mapped at that time; it may be gone already. target_note_code() takes it in if the file is known,
 * else -ENOENT: target_refresh() may find it; if that came too late, target_note_missed() keeps its place: its
 * addresses get no other file's names, and its own once the file is mapped again.
 */
struct target_code {
	uint64_t start, size_bytes, offset, inode, time_ns;
	uint32_t device_major, device_minor;
};

int target_note_code(struct target *target, const struct module_set *modules,
		     const struct target_code *code);
int target_note_missed(struct target *target, struct module_set *modules,
		       const struct target_code *code);
/* Where the file of a missed one lies; its code has names then. As module_set_find_missed(). */
int target_find_missed(struct target *target, struct module_set *modules,
		       const struct mapping *file);
/* Its code went then; target_refresh() and target_refresh_names() find what came. */
void target_execed(struct target *target, uint64_t time_ns);
/* Names and the program itself are read anew. */
int target_refresh_names(struct target *target);

/* The code mapping that covered @pc at @time_ns, or NULL. */
const struct target_mapping *target_find(const struct target *target, uint64_t pc,
					 uint64_t time_ns);

#endif
