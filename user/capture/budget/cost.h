/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a probe hit costs the thread that hits it, on this machine: a table that capture/probe measures, its text
 * form for a cache, and sums made from it. Nothing here measures.
 *
 * A hit costs the trap (the kernel's way into a program and back, here) and the program's own time, which depends on
 * the stack and is counted while it runs (struct cost_hits). Traps differ by machine: a malloc's took 1.8 us on one
 * VM and 6.5 on another of the same kernel. Times are CPU time of one thread alone; two threads on the same probe
 * pay 5 to 15 % more.
 */
#ifndef HOLDFAST_BUDGET_COST_H
#define HOLDFAST_BUDGET_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* X(field, value where it can't be measured): ns. The values are those of facts known of a fast machine. */
#define PROBE_COSTS(X)                                                                           \
	X(emulated_ns, 1000)           /* trap at an instruction that the kernel emulates */     \
	X(nop5_ns, 1000)               /* at a 5-byte nop: less where that becomes a call */     \
	X(stepped_ns, 15000)           /* at any other: single-stepped out of line */            \
	X(session_ns, 2000)            /* entry and return of one function: a malloc */          \
	X(session_entry_only_ns, 1000) /* its program answered 1 at the entry */                 \
	X(return_ns, 1900)             /* entry and return by two links, or perf events */       \
	X(syscall_pair_ns, 200)        /* what watching mappings adds to any system call */      \
	X(event_ns, 100)               /* of a program's time: a ring event of 48 B */           \
	X(bare_syscall_ns, 250)        /* getppid(2) without us: the yardstick */                \
	X(count_ns, 90)                /* what counting a program's run costs */                 \
	X(count_bias_ns, 40)           /* of it: what is counted as the program's own time */    \
	X(call_program_ns, 1150)       /* not measured ahead: our programs a malloc, 5 frames */ \
	X(free_program_ns, 330)        /* and a free */

#define COST_MAX_NS 1e7 /* no hit takes 10 ms; what says so is damaged */

struct probe_costs {
#define PROBE_COSTS_FIELD(field, value) double field;
	PROBE_COSTS(PROBE_COSTS_FIELD)
#undef PROBE_COSTS_FIELD
	bool measured;          /* on this machine; else the values above */
	uint64_t measured_at_s; /* wall time; 0: never */
};

void cost_defaults(struct probe_costs *ret);

/*
 * The text form, "KEY=VALUE" lines in whole ns. @machine names what the figures are true of: the reader says what it
 * expects. Only what was measured is worth keeping. 0 or -ENOMEM.
 */
int cost_add_text(struct strbuf *sb, const struct probe_costs *costs, uint64_t machine);
/* -EINVAL: damaged, of another version of the format, or with a value that can't be true; -ENOMEM. -ESTALE: of another
 * machine. *ret is untouched then. */
int cost_parse(const char *text, size_t size, uint64_t machine, struct probe_costs *ret);

/* Were these measured where a system call takes as long as now? Else traps differ too. */
bool cost_still_holds(const struct probe_costs *costs, double bare_syscall_ns);

enum cost_place { COST_EMULATED, COST_NOP5, COST_STEPPED };

/* A trap between a program's own work, beside other threads, finds less in the caches than in the loop that measured
 * it. On a busy machine a target's calls (1 and 2 threads, 5 and 32 frames) cost 1.12 times the sum without this, 1.02
 * times with it. */
#define COST_IN_COMPANY 1.1

/* A trap at an entry; at the entry and the return of a function whose entry lies at such a place. Both by a session,
 * or by two links. */
double cost_of_entry(const struct probe_costs *costs, enum cost_place place);
double cost_of_call(const struct probe_costs *costs, enum cost_place place, bool session);

/* Hits and programs' own time while these were counted. */
struct cost_hits {
	double calls, entries; /* calls: of functions, each with its return */
	double steps;          /* at instructions that are single-stepped: ret */
	uint64_t runs;         /* of programs */
	uint64_t program_ns;   /* as counted */
};

/* CPU ns that they cost the target, without the counting. Never negative. */
double cost_of_hits(const struct probe_costs *costs, const struct cost_hits *hits,
		    double call_trap_ns, double entry_trap_ns);

#endif
