// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/collector.h"

#include <errno.h>
#include <string.h>

#include "process/proc/process.h"

static uint32_t read_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

void python_collector_decode(const uint8_t *state, struct python_collector *ret)
{
	*ret = (struct python_collector){
		.enabled = read_u32(state + PYTHON_GC_ENABLED),
		.collecting = read_u32(state + PYTHON_GC_COLLECTING),
	};
	for (size_t i = 0; i < PYTHON_GENERATIONS; i++) {
		const uint8_t *generation =
			state + PYTHON_GC_GENERATIONS + i * PYTHON_GC_GENERATION_BYTES;
		const uint8_t *stats = state + PYTHON_GC_STATS + i * 24;

		ret->generations[i] = (struct python_generation){
			.threshold = read_u32(generation + 16),
			.count = read_u32(generation + 20),
			.collections = read_u64(stats),
			.collected = read_u64(stats + 8),
			.uncollectable = read_u64(stats + 16),
		};
	}
}

static int read_at(int pid, const struct python_runtime *runtime, uint64_t *ret_address,
		   struct python_collector *ret)
{
	const struct python_layout *layout = runtime->layout;
	uint8_t state[PYTHON_GC_BYTES];
	uint64_t interpreter;
	int err;

	if (!layout)
		return -ENOTSUP;
	err = process_read_memory(pid, runtime->address + layout->runtime_interpreters,
				  &interpreter, sizeof(interpreter));
	if (!err && !interpreter)
		err = -EFAULT;
	if (!err)
		err = process_read_memory(pid, interpreter + layout->interpreter_gc, state,
					  sizeof(state));
	if (err)
		return err;
	*ret_address = interpreter + layout->interpreter_gc;
	python_collector_decode(state, ret);
	return 0;
}

int python_collector_read(int pid, const struct python_runtime *runtime,
			  struct python_collector *ret)
{
	uint64_t address;

	return read_at(pid, runtime, &address, ret);
}

int python_collector_find(int pid, const struct python_runtime *runtime, uint64_t *ret_address)
{
	struct python_collector collector;

	return read_at(pid, runtime, ret_address, &collector);
}

static int take_probe(const struct usdt_probe *probe, void *user)
{
	struct python_collector_probes *found = user;

	if (strcmp(probe->provider, "python"))
		return 0;
	if (!strcmp(probe->name, "gc__start") && found->begin_count < PYTHON_COLLECTOR_PROBES)
		found->begins[found->begin_count++] = *probe;
	if (!strcmp(probe->name, "gc__done") && found->end_count < PYTHON_COLLECTOR_PROBES)
		found->ends[found->end_count++] = *probe;
	return 0;
}

bool python_collector_find_probes(const struct target *target, const struct python_runtime *runtime,
				  struct python_collector_probes *ret)
{
	uint64_t bias;

	*ret = (struct python_collector_probes){
		.module = python_runtime_module(target, runtime, &bias)};
	if (ret->module)
		usdt_for_each(ret->module->elf, take_probe, ret);
	return ret->begin_count && ret->end_count;
}
