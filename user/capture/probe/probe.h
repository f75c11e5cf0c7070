/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side in one object: loads the programs, tells them what they need to unwind each process,
 * attaches and detaches. Order of life:
 *
 *	probe_new()            loads; nothing is attached, nothing in any target changes
 *	probe_add_process()    its mappings, faults, life are recorded
 *	probe_update_process() the kernel knows how to unwind it; again after a dlopen or dlclose
 *	probe_attach()         its allocator's functions are probed: one link per kind, all at once
 *	probe_detach()         the target runs at full speed again
 *	probe_free()           everything is gone
 *
 * Links are descriptors and never pinned: when this process dies, by whatever signal, the kernel takes all
 * probes out. One owner, one thread, except where said. Events come through probe_ring_fd().
 */
#ifndef HOLDFAST_PROBE_H
#define HOLDFAST_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/event.h>
#include <holdfast/python.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "capture/budget/cost.h"
#include "process/target/allocator.h"
#include "process/target/target.h"

struct probe;

/* What this kernel offers; found by trying, never by version. */
enum probe_way {
	PROBE_WAY_SESSION, /* uprobe_multi sessions (6.13): entry and return in one */
	PROBE_WAY_MULTI,   /* uprobe_multi (6.6) */
	PROBE_WAY_PERF,    /* perf-event uprobes: detaching takes 0.1 s a probe */
};

struct probe_options {
	uint64_t ring_bytes; /* rounded up to a power of two of at least 64 KiB; 0: 16 MiB */
	bool faults;         /* record page faults */
	bool no_mappings; /* leave out mappings: code that comes or goes is seen by whoever refreshes the target */
	bool follow;         /* record children from their first instruction on */
	uint32_t span_rules; /* how many rules for spans there will be; at most HF_MAX_SPAN_RULES */
	/*
	 * Who may not have the kernel count runs of programs (bpf(2), BPF_ENABLE_STATS: CAP_SYS_ADMIN) asks somebody: a descriptor, the probe's
	 * then, or -errno. NULL: nobody.
	 */
	int (*count_runs)(void *user);
	void *count_user;
	bool small; /* tables that do for a few processes: 3 MiB and the ring in place of 6 */
	/* Tests only, 0 in the product: */
	uint32_t test_stop_every; /* stop the thread at every n-th stack */
	enum probe_way test_way;  /* pass over better ways */
	bool test_tracepoints;    /* as on a kernel whose functions can't be probed (no fentry) */
};

/* Errors: HF_E_PERM, HF_E_NOKERNEL (no BTF, no BPF, a program was refused), HF_E_INTERNAL. */
int probe_new(const struct probe_options *options, struct probe **ret, struct hf_error *err);
/* Uprobes of this kernel want CAP_SYS_ADMIN: it has no uprobe_multi, or this process may not ask. */
bool probe_needs_admin(void);
void probe_free(struct probe *probe);
DEFINE_CLEANUP(struct probe *, probe_free);

/* No stack of it is complete until its code is published. Again after an exec. Errors: HF_E_INTERNAL. */
int probe_add_process(struct probe *probe, int pid, struct hf_error *err);
/* It was added, or one that was has forked it: then an event tells of it. */
bool probe_records(const struct probe *probe, int pid);

/*
 * What the kernel side unwinds by must never be what was mapped a moment ago:
 *
 *	code.changes = probe_code_changes(probe, pid)
 *	target_refresh()                                  reads the maps
 *	probe_update_process(probe, target, &code)        -EAGAIN: code came or went meanwhile; once more
 */
struct probe_code {
	uint32_t changes;
	struct target_change
		found; /* removed: ids of stacks seen before are not reused for new ones */
};

uint32_t probe_code_changes(const struct probe *probe, int pid);
/* Nothing is done if what is published still holds. -ESRCH: the process is not known, or has ended. */
int probe_update_process(struct probe *probe, const struct target *target,
			 const struct probe_code *code);
/* Where its interpreter of Python keeps its frames; they are in its stacks from then on, and in those of what it forks; until
 * an exec. 0 or -errno. */
int probe_set_python(struct probe *probe, int pid, const struct hf_python *python);
/* The process ended. */
void probe_forget_process(struct probe *probe, int pid);

struct probe_attached {
	size_t functions; /* probed */
	size_t emulated;  /* of them at an instruction that the kernel emulates */
	size_t skipped;   /* could not be probed: named in the log */
	uint64_t attach_ns;
	enum cost_place call_place, free_place; /* of malloc, or what serves for it; of free */
};

/* The functions from set->first_new on; should it fail, those before keep their probes.
 * Errors: HF_E_PERM, HF_E_NOPID, HF_E_UNSUPPORTED (return probes kill seccomp-filtered targets here),
 * HF_E_NOKERNEL. */
int probe_attach(struct probe *probe, const struct target *target, const struct allocator_set *set,
		 struct probe_attached *ret, struct hf_error *err);
/* Takes the process's allocator probes out, or those of all processes (pid 0) and the tracepoints. Returns when the
 * breakpoints are gone. */
void probe_detach(struct probe *probe, int pid);

/* No function of an allocator is probed for now: of the calls under way the return will not be seen. */
void probe_calls_over(struct probe *probe);

/* What is worth having, but may cost every system call (not where fentry is) or page fault of the target. */
enum probe_extra { PROBE_MAPPINGS, PROBE_FAULTS, PROBE_EXTRAS };

/* How often they went off for the process since it was added; system calls by a sample. */
struct probe_extra_hits {
	uint64_t system_calls, faults;
};

struct probe_extra_hits probe_extra_hits(const struct probe *probe, int pid);
/* For all processes and for good. Code that comes or goes is then only seen when the maps are read anew. False: they were
 * not there. */
bool probe_drop_extra(struct probe *probe, enum probe_extra which);

/* The ring buffer's map, for capture/feed. */
int probe_ring_fd(const struct probe *probe);
/* Totals since probe_new(). Any thread. */
int probe_losses(const struct probe *probe, struct hf_loss *ret);

enum probe_way probe_way(const struct probe *probe);
const char *probe_way_name(enum probe_way way);
/* Tracepoint groups that could not be attached, as a sentence for people; "" if none. */
const char *probe_missing(const struct probe *probe);

/* Does a return probe leave a seccomp-filtered process alive? Tried on a child of ours. 0, -ENOTSUP, or why it
 * could not be tried. */
int probe_selftest_seccomp(struct probe *probe);

#endif
