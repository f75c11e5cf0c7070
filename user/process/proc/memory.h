/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory a process has, from /proc. RSS from statm is cheap (microseconds); smaps_rollup walks
 * page tables (13 ms per GiB), so PSS and USS are read on request only.
 */
#ifndef HOLDFAST_PROC_MEMORY_H
#define HOLDFAST_PROC_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct process_memory {
	uint64_t rss_bytes, vms_bytes;
	uint64_t rss_anon_bytes, rss_file_bytes, rss_shmem_bytes; /* from status, with full */
	uint64_t pss_bytes, uss_bytes, swap_bytes;                /* from smaps_rollup, with full */
	bool full; /* the fields from smaps_rollup and status are filled */
};

/* All zeros for a zombie or a kernel thread. @full needs the right to trace: else -EACCES. -ESRCH: gone. */
int process_memory_read(int pid, bool full, struct process_memory *ret);

/* The smallest limit over the process's memory cgroup and its parents (v1 and v2), as far up as they are mounted
 * here, and the usage of the group that holds it. limit_bytes 0: none, or none that can be seen; usage 0 then. */
struct cgroup_memory {
	uint64_t limit_bytes, usage_bytes;
};

int cgroup_memory_read(int pid, struct cgroup_memory *ret);
/* MemTotal and MemAvailable. */
int system_memory_read(uint64_t *ret_total_bytes, uint64_t *ret_available_bytes);

#endif
