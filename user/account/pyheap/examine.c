// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/examine.h"

#include <errno.h>

#include "account/pyheap/census.h"
#include "account/pyheap/lists.h"
#include "account/pyheap/pools.h"
#include "account/pyheap/roots.h"

#define INTERPRETERS_MAX 256

struct interpreters {
	uint64_t addresses[INTERPRETERS_MAX];
	size_t count;
};

static void find_interpreters(struct py_heap *heap, struct interpreters *ret)
{
	uint64_t at = py_memory_word(&heap->memory,
				     heap->runtime->address + heap->layout->runtime_interpreters);

	ret->count = 0;
	while (at && ret->count < INTERPRETERS_MAX) {
		ret->addresses[ret->count++] = at;
		at = py_memory_word(&heap->memory, at + heap->layout->frames.interpreter_next);
	}
}

static int take_lists(struct py_heap *heap, const struct interpreters *interpreters, bool stopped)
{
	uint64_t broken = 0;
	int err = interpreters->count ? 0 : -ESRCH;

	for (size_t i = 0; !err && i < interpreters->count; i++)
		err = py_lists_take(heap, interpreters->addresses[i], !stopped, &broken);
	return err;
}

static void read_collector(struct py_heap *heap, uint64_t interpreter, struct pyheap_snapshot *ret)
{
	uint64_t state = interpreter + heap->layout->interpreter_gc;
	uint8_t bytes[PYTHON_GC_BYTES];

	if (!py_memory_copy(&heap->memory, state, bytes, sizeof(bytes)))
		return;
	python_collector_decode(bytes, &ret->collector);
	ret->garbage = py_memory_word(&heap->memory,
				      py_memory_word(&heap->memory, state + PYTHON_GC_GARBAGE) +
					      PYTHON_OBJECT_COUNT);
}

/* Only of a whole copy anything may be called unreachable. */
static const char *why_incomplete(const struct py_heap *heap, const struct pyheap_pools *pools)
{
	if (heap->memory.stream.swapped_bytes)
		return "a part of its memory is swapped out";
	if (heap->memory.unreadable_bytes)
		return "a part of its memory can't be read";
	if (!pools->pools)
		return "it does not use Python's own allocator (PYTHONMALLOC)";
	if (pools->damaged)
		return "pools of its allocator contradict themselves";
	return "";
}

int py_examine(struct py_heap *heap, bool stopped, bool holders, struct pyheap_snapshot *ret)
{
	struct interpreters interpreters;
	int err;

	find_interpreters(heap, &interpreters);
	ret->interpreters = interpreters.count;
	err = take_lists(heap, &interpreters, stopped);
	if (!err)
		err = py_pools_take(heap, interpreters.count == 1, &ret->pools);
	if (!err)
		err = py_roots_follow(heap, interpreters.addresses, interpreters.count,
				      &ret->threads);
	if (err)
		return err;
	if (!ret->reason || !*ret->reason)
		ret->reason = stopped ? why_incomplete(heap, &ret->pools) : "it was not stopped";
	ret->complete = !*ret->reason;
	if (ret->complete)
		err = py_roots_count_references(heap);
	if (err)
		return err;
	read_collector(heap, interpreters.addresses[0], ret);
	return py_census_take(heap, ret->complete, holders, ret);
}
