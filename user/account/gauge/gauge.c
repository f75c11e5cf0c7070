/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/gauge/gauge.h"

#include <errno.h>
#include <stdlib.h>

#include "process/proc/memory.h"
#include "process/proc/process.h"

#define MIN_CAPACITY 4

struct gauge {
	size_t count, capacity;
	struct sample samples[];
};

int gauge_new(size_t capacity, struct gauge **ret)
{
	struct gauge *gauge;
	size_t bytes;

	if (capacity < MIN_CAPACITY)
		return -EINVAL;
	if (__builtin_mul_overflow(capacity, sizeof(struct sample), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*gauge), &bytes))
		return -ENOMEM;
	gauge = calloc(1, bytes);
	if (!gauge)
		return -ENOMEM;
	gauge->capacity = capacity;
	*ret = gauge;
	return 0;
}

void gauge_free(struct gauge *gauge)
{
	free(gauge);
}

/* Where no cgroup limits it to less, the machine's memory does. */
static bool take_system(struct cgroup_memory *limit)
{
	uint64_t total_bytes, available_bytes;

	if (system_memory_read(&total_bytes, &available_bytes) || available_bytes > total_bytes ||
	    (limit->limit_bytes && limit->limit_bytes < total_bytes))
		return false;
	*limit = (struct cgroup_memory){total_bytes, total_bytes - available_bytes};
	return true;
}

int gauge_read(int pid, uint64_t now_ns, bool full, struct sample *ret)
{
	struct process_memory memory = {0};
	struct cgroup_memory cgroup = {0};
	struct process_stat stat = {0};
	bool limit_is_system;
	int err = process_stat_read(pid, &stat);

	if (!err)
		err = process_memory_read(pid, full, &memory);
	if (err)
		return err;
	/* Without cgroups, or without a look at them, there is only the machine's. */
	if (cgroup_memory_read(pid, &cgroup))
		cgroup = (struct cgroup_memory){0};
	limit_is_system = take_system(&cgroup);
	*ret = (struct sample){
		.time_ns = now_ns,
		.rss_bytes = memory.rss_bytes,
		.vms_bytes = memory.vms_bytes,
		.pss_bytes = memory.pss_bytes,
		.uss_bytes = memory.uss_bytes,
		.swap_bytes = memory.swap_bytes,
		.rss_anon_bytes = memory.rss_anon_bytes,
		.rss_file_bytes = memory.rss_file_bytes,
		.rss_shmem_bytes = memory.rss_shmem_bytes,
		.minor_faults = stat.minor_faults,
		.major_faults = stat.major_faults,
		.limit_usage_bytes = cgroup.usage_bytes,
		.limit_bytes = cgroup.limit_bytes,
		.limit_is_system = limit_is_system,
		.full = memory.full,
	};
	return 0;
}

/* The first and the newest stay, and between them every second one. */
static void thin_out(struct gauge *gauge)
{
	size_t kept = 1;

	for (size_t i = 2 - gauge->count % 2; i < gauge->count; i += 2)
		gauge->samples[kept++] = gauge->samples[i];
	gauge->count = kept;
}

int gauge_add(struct gauge *gauge, const struct sample *sample)
{
	if (gauge->count && sample->time_ns < gauge->samples[gauge->count - 1].time_ns)
		return -EINVAL;
	if (gauge->count == gauge->capacity)
		thin_out(gauge);
	gauge->samples[gauge->count++] = *sample;
	return 0;
}

size_t gauge_count(const struct gauge *gauge)
{
	return gauge->count;
}

const struct sample *gauge_at(const struct gauge *gauge, size_t index)
{
	return index < gauge->count ? &gauge->samples[index] : NULL;
}
