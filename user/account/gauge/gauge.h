/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed readings of a process's memory and what they say about its trend.
 *
 * A gauge keeps at most its capacity: when full, every second old sample is dropped (older history gets
 * coarser, the span stays whole). One owner; not thread-safe.
 */
#ifndef HOLDFAST_GAUGE_H
#define HOLDFAST_GAUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sample {
	uint64_t time_ns;
	uint64_t rss_bytes, vms_bytes;
	uint64_t pss_bytes, uss_bytes, swap_bytes;                /* valid if full */
	uint64_t rss_anon_bytes, rss_file_bytes, rss_shmem_bytes; /* valid if full */
	uint64_t minor_faults, major_faults;
	uint64_t heap_live_bytes; /* allocated since we attached, and outstanding at that time */
	uint64_t gc_collections,
		gc_collected; /* of a runtime's garbage collector so far; 0: it has none */
	uint64_t gc_pause_ns; /* that took so long, since it is timed; 0: it is not */
	/* The cgroup's limit, or the machine's memory, and what is used of it; 0: not known. */
	uint64_t limit_usage_bytes, limit_bytes;
	bool limit_is_system;
	bool heap_live_estimated; /* calls were seen in windows only */
	bool full;
};

struct gauge;

int gauge_new(size_t capacity, struct gauge **ret);
void gauge_free(struct gauge *gauge);
/* Reads /proc of @pid. The caller adds heap_live and gc. -ESRCH when it is gone. */
int gauge_read(int pid, uint64_t now_ns, bool full, struct sample *ret);
int gauge_add(struct gauge *gauge, const struct sample *sample);
size_t gauge_count(const struct gauge *gauge);
const struct sample *gauge_at(const struct gauge *gauge, size_t index);

#endif
