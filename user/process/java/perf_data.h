/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a Java virtual machine (HotSpot) tells of its collectors and its heap: in memory that it shares as a file,
 * /tmp/hsperfdata_USER/PID, and that is read here where it has it mapped. Nothing is attached to, nothing is stopped. What it has not
 * got (-XX:-UsePerfData) is not there.
 *
 * Source: sun.jvmstat.perfdata.monitor, version 2.0 of the format; perfData.hpp and the names of counters in HotSpot. They are not
 * promised: what is missing counts as 0.
 */
#ifndef HOLDFAST_JAVA_PERF_DATA_H
#define HOLDFAST_JAVA_PERF_DATA_H

#include <stddef.h>
#include <stdint.h>

struct java_perf_data {
	uint64_t collections, collection_ns; /* of all collectors, since the process began */
	uint64_t heap_used_bytes;            /* as of the last collection, or nearly so */
};

/* Where a process has it mapped: that does not change. */
struct java_perf_area {
	uint64_t address, bytes;
};

/* 0; -ENOENT: it has none; -EINVAL: larger than any; -ESRCH: gone. */
int java_perf_data_find(int pid, struct java_perf_area *ret);
/* 0; -EINVAL: not understood; -ESRCH, -EFAULT: gone. */
int java_perf_data_read(int pid, const struct java_perf_area *area, struct java_perf_data *ret);
/* The same of bytes. Hostile ones: -EINVAL. */
int java_perf_data_parse(const uint8_t *bytes, size_t size, struct java_perf_data *ret);

#endif
