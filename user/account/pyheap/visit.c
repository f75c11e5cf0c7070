// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/visit.h"

#include <string.h>

#include "account/pyheap/dicts.h"

/* What a damaged count may make us do. */
#define ITEMS_MAX (1ULL << 32)
#define SLOTS_MAX 4096 /* words of an object of unknown kind */

struct visit {
	struct py_heap *heap;
	const struct py_visitor *visitor;
	const struct py_type *type;
	uint64_t address;
};

static void tell(const struct visit *v, enum py_edge how, uint64_t target, uint64_t label)
{
	if (target)
		v->visitor->edge(v->visitor->user, how, target, label);
}

static uint64_t word(const struct visit *v, uint64_t offset)
{
	return py_memory_word(&v->heap->memory, v->address + offset);
}

/* @stride: words from one to the next. */
static void visit_items(const struct visit *v, uint64_t items, uint64_t count, uint64_t stride)
{
	if (count > ITEMS_MAX)
		return;
	for (uint64_t left = count * stride, at = items; left;) {
		uint64_t got;
		const uint64_t *words = py_memory_words(&v->heap->memory, at, left, &got);
		uint64_t first = (count * stride - left) % stride;

		if (!got || !py_heap_step(v->heap, got))
			return;
		for (uint64_t i = first ? stride - first : 0; i < got; i += stride)
			tell(v, PY_EDGE_ITEM, words[i], 0);
		left -= got;
		at += 8 * got;
	}
}

static void visit_keys(const struct visit *v, const struct py_keys *keys, uint64_t values)
{
	for (uint64_t i = 0; i < keys->count && py_heap_step(v->heap, 3); i++) {
		uint64_t value = py_keys_value(v->heap, keys, values, i);
		uint64_t key = value ? py_keys_key(v->heap, keys, i) : 0;

		if (!values)
			tell(v, PY_EDGE_KEY, key, 0);
		tell(v, PY_EDGE_VALUE, value, key);
	}
}

static void visit_dict(const struct visit *v)
{
	struct py_keys keys;
	uint64_t values;

	if (py_dict_read(v->heap, v->address, &keys, &values))
		visit_keys(v, &keys, values);
}

static void visit_deque(const struct visit *v)
{
	uint64_t left = word(v, PYTHON_OBJECT_COUNT), block = word(v, PYTHON_DEQUE_LEFT);
	uint64_t index = word(v, PYTHON_DEQUE_INDEX);

	if (left > ITEMS_MAX || index >= PYTHON_DEQUE_ROOM)
		return;
	while (left && block && py_heap_step(v->heap, 1)) {
		uint64_t take = PYTHON_DEQUE_ROOM - index;

		take = take < left ? take : left;
		visit_items(v, block + PYTHON_DEQUE_ITEMS + 8 * index, take, 1);
		left -= take;
		index = 0;
		block = py_memory_word(&v->heap->memory, block + PYTHON_DEQUE_NEXT);
	}
}

/* The class's own table holds the names of its instances' attributes. */
static void visit_class(const struct visit *v)
{
	struct py_keys keys;

	tell(v, PY_EDGE_DICT, word(v, PYTHON_TYPE_DICT), 0);
	if (!v->type ||
	    !(py_memory_word(&v->heap->memory, v->address + PYTHON_TYPE_FLAGS) & PYTHON_FLAG_HEAP))
		return;
	if (!py_keys_read(v->heap, word(v, v->heap->layout->class_keys), &keys))
		return;
	for (uint64_t i = 0; i < keys.count && py_heap_step(v->heap, 1); i++)
		tell(v, PY_EDGE_KEY, py_keys_key(v->heap, &keys, i), 0);
}

static void visit_attributes(const struct visit *v)
{
	struct py_attributes attributes;
	struct py_keys keys;

	py_attributes_read(v->heap, v->address, v->type, &attributes);
	tell(v, PY_EDGE_DICT, attributes.dict, 0);
	if (!attributes.values || !py_keys_read(v->heap, v->type->keys, &keys))
		return;
	for (uint64_t i = 0; i < keys.count && py_heap_step(v->heap, 2); i++)
		tell(v, PY_EDGE_ATTRIBUTE, py_keys_value(v->heap, &keys, attributes.values, i),
		     py_keys_key(v->heap, &keys, i));
}

/* How much of an object is understood otherwise; any word behind it may be a reference. */
static uint64_t known_bytes(const struct visit *v)
{
	switch (v->type->kind) {
	case PY_LIST:
		return 40;
	case PY_DICT:
		return 48;
	case PY_SET:
		return 200;
	case PY_WEAK:
		return 64;
	case PY_DEQUE:
		return PYTHON_DEQUE_BYTES;
	case PY_TUPLE:
	case PY_STR:
	case PY_NOTHING:
	case PY_BYTEARRAY:
		return UINT64_MAX;
	case PY_CLASS:
		return PYTHON_TYPE_NAME;
	default:
		return PYTHON_OBJECT_BYTES;
	}
}

static bool is_elsewhere(const struct visit *v, uint64_t offset)
{
	return (int64_t)offset == v->type->weak_offset ||
	       ((int64_t)offset == v->type->dict_offset &&
		!(v->type->flags & PYTHON_FLAG_MANAGED_DICT)) ||
	       (v->type->kind == PY_CLASS && offset == PYTHON_TYPE_DICT) ||
	       (v->type->kind == PY_MODULE && offset == PYTHON_MODULE_DICT) ||
	       (v->type->kind == PY_CELL && offset == PYTHON_CELL_CONTENT);
}

static void visit_slots(const struct visit *v, uint64_t extent)
{
	uint64_t offset = known_bytes(v);

	if (offset == UINT64_MAX)
		return;
	if (extent > 8 * SLOTS_MAX)
		extent = 8 * SLOTS_MAX;
	while (offset + 8 <= extent) {
		uint64_t got;
		const uint64_t *words = py_memory_words(&v->heap->memory, v->address + offset,
							(extent - offset) / 8, &got);

		if (!got || !py_heap_step(v->heap, got))
			return;
		for (uint64_t i = 0; i < got; i++, offset += 8)
			if (words[i] && !is_elsewhere(v, offset))
				tell(v, PY_EDGE_SLOT, words[i], offset / 8);
	}
}

static void visit_by_kind(const struct visit *v)
{
	switch (v->type->kind) {
	case PY_LIST:
		visit_items(v, word(v, PYTHON_LIST_ITEMS), word(v, PYTHON_OBJECT_COUNT), 1);
		break;
	case PY_TUPLE:
		visit_items(v, v->address + PYTHON_TUPLE_ITEMS, word(v, PYTHON_OBJECT_COUNT), 1);
		break;
	case PY_DICT:
		visit_dict(v);
		break;
	case PY_SET:
		visit_items(v, word(v, PYTHON_SET_TABLE), word(v, PYTHON_SET_MASK) + 1, 2);
		break;
	case PY_MODULE:
		tell(v, PY_EDGE_DICT, word(v, PYTHON_MODULE_DICT), 0);
		break;
	case PY_CLASS:
		visit_class(v);
		break;
	case PY_CELL:
		tell(v, PY_EDGE_ITEM, word(v, PYTHON_CELL_CONTENT), 0);
		break;
	case PY_WEAK:
		tell(v, PY_EDGE_SLOT, word(v, PYTHON_WEAK_CALLBACK), PYTHON_WEAK_CALLBACK / 8);
		break;
	case PY_DEQUE:
		visit_deque(v);
		break;
	default:
		break;
	}
}

/* Does its class have a count of its instances' references? */
static bool holds_class(const struct py_type *type)
{
	return type->flags & PYTHON_FLAG_HEAP;
}

void py_visit(struct py_heap *heap, uint32_t object, const struct py_visitor *visitor)
{
	/* The table of types may move while it is visited. */
	const struct py_type type = *py_type_of(heap, object);
	const struct visit v = {heap, visitor, &type, heap->objects.items[object].address};

	visit_by_kind(&v);
	visit_attributes(&v);
	visit_slots(&v, py_object_extent(heap, object));
	if (holds_class(&type))
		tell(&v, PY_EDGE_CLASS, type.address, 0);
}
