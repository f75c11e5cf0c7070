/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often our programs run and how long they take, as the kernel counts it (BPF run-time statistics).
 *
 * Counting costs about 0.1 us a run, of every BPF program of the machine: a tenth of what exact mode costs. So it is
 * switched on for a while now and then. Totals since probe_new(), of the times when it was on, by us or by the
 * administrator (kernel.bpf_stats_enabled).
 */
#ifndef HOLDFAST_PROBE_USAGE_H
#define HOLDFAST_PROBE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/probe/probe.h"

struct probe_usage {
	/* Runs of programs in the processes that are probed. A session's program runs at entry and at return: two for a
	 * call, one for a call that its entry let go. */
	uint64_t entry_hits;     /* frees; by two links, the entries of calls too */
	uint64_t session_hits;   /* calls by sessions */
	uint64_t return_hits;    /* returns of calls by two links */
	uint64_t ret_insn_hits;  /* ret instructions of functions that may throw */
	uint64_t call_site_hits; /* 0: there are no such programs yet */
	uint64_t program_ns; /* own time of all these; each run's includes probe_costs.count_bias_ns */
	/* Of the whole machine: they run for every process's system calls and faults, and return at once for those that
	 * are not traced. Return probes come back by a system call (from 6.11 on), which is in here too. */
	uint64_t syscall_hits; /* two a call: entry and return; 0 where fentry is */
	uint64_t mapping_hits; /* the same, of calls that map and unmap; where fentry is */
	uint64_t fault_hits;
	uint64_t machine_ns; /* own time of these */
	uint64_t missed;     /* runs left out because one was under way on that CPU */
};

/* -EPERM: this user may not count (CAP_SYS_ADMIN); usage then stays 0, and probe_costs has usual values. */
int probe_usage_count(struct probe *probe, bool on);
/* 0 or -errno. */
int probe_usage(const struct probe *probe, struct probe_usage *ret);

#endif
