/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process has in place of Python's objects. Input: a byte that chooses the layout, seven that are left out; then memory, of words:
 * those whose highest byte is 0xa5 are addresses in it, by their lower 18 bits.
 *
 * Whatever it holds, the walk ends, and what it tells adds up.
 */
#include <stdlib.h>

#include "account/pyheap/census.h"
#include "unit/pyheap_image.h"

#define POINTER 0xa5ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct pyheap_snapshot *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->type_count; i++) {
		must(s->types[i].unreachable_count <= s->types[i].count);
		must(s->types[i].overcounted_count <= s->types[i].unreachable_count);
		must(s->types[i].overcounted_itself <= s->types[i].overcounted_count);
		must(s->types[i].tracked <= s->types[i].count);
		must(s->types[i].name != NULL);
		count += s->types[i].count;
	}
	must(count <= s->objects && s->overcounted_count <= s->unreachable_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_runtime runtime = image_runtime();
	struct pyheap_snapshot snapshot = {0};
	struct py_heap *heap;
	uint8_t *memory;

	if (size < 16 || size > IMAGE_BYTES)
		return 0;
	heap = calloc(1, sizeof(*heap));
	memory = calloc(1, IMAGE_BYTES);
	if (!heap || !memory)
		abort();
	runtime.layout = python_layout_find(3u << 24 | (11u + data[0] % 3) << 16);
	for (size_t i = 8; i + 8 <= size; i += 8) {
		uint64_t word;

		memcpy(&word, data + i, sizeof(word));
		if (word >> 56 == POINTER)
			word = IMAGE_BASE + word % IMAGE_BYTES;
		memcpy(memory + i - 8, &word, sizeof(word));
	}
	image_load(heap, &runtime, memory, IMAGE_BYTES);
	if (!py_examine(heap, data[1] & 1, true, &snapshot))
		check(&snapshot);
	py_census_done(&snapshot);
	py_heap_done(heap);
	free(heap);
	free(memory);
	return 0;
}
