// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/lists.h"

#include <errno.h>

#define LINK_MASK (~(uint64_t)3)

/* The head and the beginning of an object. */
struct node {
	uint64_t next, previous, references, type;
};

static int take_node(struct py_heap *heap, uint64_t address, const struct node *node)
{
	uint64_t before = heap->objects.count;
	uint32_t type = py_type_at(heap, node->type), object;

	if (type == PY_NO_TYPE)
		return heap->error ? heap->error : -EUCLEAN;
	object = py_object_add(heap, address + PYTHON_GC_HEAD, type);
	if (object == PY_NO_OBJECT)
		return heap->error ? heap->error : -EUCLEAN;
	if (object < before)
		return -EUCLEAN; /* a circle */
	heap->objects.items[object].tracked = true;
	return 0;
}

static int take_list(struct py_heap *heap, uint64_t head)
{
	uint64_t previous = head, at = py_memory_word(&heap->memory, head) & LINK_MASK;
	struct node node;
	int err = 0;

	while (!err && at && at != head) {
		if (!py_memory_copy(&heap->memory, at, &node, sizeof(node)) ||
		    (node.previous & LINK_MASK) != previous)
			return -EUCLEAN;
		err = take_node(heap, at, &node);
		previous = at;
		at = node.next & LINK_MASK;
	}
	return !err && !at ? -EUCLEAN : err;
}

int py_lists_take(struct py_heap *heap, uint64_t interpreter, bool lenient, uint64_t *ret_broken)
{
	/* What was made last comes last. */
	static const uint16_t heads[] = {
		PYTHON_GC_PERMANENT,
		PYTHON_GC_GENERATIONS + 2 * PYTHON_GC_GENERATION_BYTES,
		PYTHON_GC_GENERATIONS + PYTHON_GC_GENERATION_BYTES,
		PYTHON_GC_GENERATIONS,
	};
	uint64_t collector = interpreter + heap->layout->interpreter_gc;
	uint32_t collecting;
	int err = 0;

	if (!py_memory_copy(&heap->memory, collector + PYTHON_GC_COLLECTING, &collecting,
			    sizeof(collecting)))
		return -EUCLEAN;
	if (collecting && !lenient)
		return -EAGAIN;
	for (size_t i = 0; !err && i < sizeof(heads) / sizeof(*heads); i++) {
		err = take_list(heap, collector + heads[i]);
		if (err == -EUCLEAN && lenient) {
			err = 0;
			(*ret_broken)++;
		}
	}
	return err;
}
