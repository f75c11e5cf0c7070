// SPDX-License-Identifier: GPL-2.0-or-later
/* How much memory an object takes. */
#include <errno.h>
#include <string.h>

#include "account/pyheap/dicts.h"
#include "account/pyheap/visit.h"

#define COUNT_MAX (1ULL << 40)
#define SET_SMALL 7 /* a mask: the table is within the object */

static uint64_t word_at(struct py_heap *heap, uint64_t address)
{
	return py_memory_word(&heap->memory, address);
}

static uint64_t str_bytes(struct py_heap *heap, uint64_t address, const struct py_type *type)
{
	uint64_t length = word_at(heap, address + PYTHON_OBJECT_COUNT);
	uint32_t state = (uint32_t)word_at(heap, address + PYTHON_STR_STATE);
	uint64_t head = state & PYTHON_STR_ASCII ? heap->layout->ascii_text
						 : heap->layout->other_text;

	if (!(state & PYTHON_STR_COMPACT) || length > COUNT_MAX)
		return type->basic_bytes;
	return head + (length + 1) * PYTHON_STR_KIND(state);
}

/* As many items as the object says it has; of an int the sign and other bits stand with the count. */
static uint64_t items_bytes(struct py_heap *heap, uint64_t address, const struct py_type *type)
{
	uint64_t count = word_at(heap, address + PYTHON_OBJECT_COUNT);

	if (!type->item_bytes || type->kind == PY_CLASS)
		return 0;
	if (type->flags & PYTHON_FLAG_INT) {
		if (heap->layout->minor >= 12)
			count >>= 3;
		else if ((int64_t)count < 0)
			count = -count;
		count = count ? count : 1;
	}
	return count > COUNT_MAX ? 0 : count * type->item_bytes;
}

static uint64_t body_bytes(struct py_heap *heap, uint64_t address, const struct py_type *type)
{
	struct py_keys keys;
	uint64_t bytes;

	if (type->kind == PY_STR)
		return str_bytes(heap, address, type);
	bytes = type->basic_bytes;
	/* Of such types only the objects know whether they have so many items. */
	if (type->kind != PY_OTHER)
		bytes += items_bytes(heap, address, type);
	if (type->flags & PYTHON_FLAG_INLINE_VALUES && py_keys_read(heap, type->keys, &keys))
		bytes += (keys.room + 7) / 8 * 8 + (keys.room + 1) * 8;
	return bytes;
}

uint64_t py_body_bytes(struct py_heap *heap, uint64_t address, uint32_t type)
{
	return body_bytes(heap, address, &heap->types.items[type]);
}

uint64_t py_object_extent(struct py_heap *heap, uint32_t object)
{
	const struct py_type *type = py_type_of(heap, object);
	uint64_t address = heap->objects.items[object].address, size;
	uint64_t pool = address & ~(uint64_t)(PYTHON_POOL_BYTES - 1);

	if (map64_get(&heap->pools, pool, &size) && size) {
		uint64_t into = (address - pool - PYTHON_POOL_HEAD) % size;

		return size - into;
	}
	return body_bytes(heap, address, type);
}

static int add_block(struct py_blocks *blocks, uint64_t start, uint64_t bytes)
{
	struct py_block block = {start, start + bytes};

	return start && bytes && bytes < COUNT_MAX ? vec_push(blocks, block) : 0;
}

static int add_deque(struct py_heap *heap, uint64_t address, struct py_blocks *blocks)
{
	uint64_t block = word_at(heap, address + PYTHON_DEQUE_LEFT);
	uint64_t most = word_at(heap, address + PYTHON_OBJECT_COUNT) / PYTHON_DEQUE_ROOM + 2;
	int err = 0;

	for (uint64_t i = 0; !err && block && i < most && py_heap_step(heap, 1); i++) {
		err = add_block(blocks, block, PYTHON_DEQUE_BLOCK);
		if (block == word_at(heap, address + PYTHON_DEQUE_RIGHT))
			break;
		block = word_at(heap, block + PYTHON_DEQUE_NEXT);
	}
	return err;
}

static int add_dict(struct py_heap *heap, uint64_t address, struct py_blocks *blocks)
{
	struct py_keys keys;
	uint64_t values;

	if (!py_dict_read(heap, address, &keys, &values))
		return 0;
	/* With values apart the keys are its class's. */
	return values ? add_block(blocks, values, 8 * keys.room)
		      : add_block(blocks, keys.address, py_keys_bytes(&keys));
}

static int add_by_kind(struct py_heap *heap, uint64_t address, const struct py_type *type,
		       struct py_blocks *blocks)
{
	struct py_keys keys;
	uint64_t count;

	switch (type->kind) {
	case PY_LIST:
		count = word_at(heap, address + PYTHON_LIST_ROOM);
		return count > COUNT_MAX
			       ? 0
			       : add_block(blocks, word_at(heap, address + PYTHON_LIST_ITEMS),
					   8 * count);
	case PY_DICT:
		return add_dict(heap, address, blocks);
	case PY_SET:
		count = word_at(heap, address + PYTHON_SET_MASK);
		return count <= SET_SMALL || count > COUNT_MAX
			       ? 0
			       : add_block(blocks, word_at(heap, address + PYTHON_SET_TABLE),
					   16 * (count + 1));
	case PY_DEQUE:
		return add_deque(heap, address, blocks);
	case PY_BYTEARRAY:
		return add_block(blocks, word_at(heap, address + PYTHON_BYTEARRAY_ROOM + 8),
				 word_at(heap, address + PYTHON_BYTEARRAY_ROOM));
	case PY_CLASS:
		if (word_at(heap, address + PYTHON_TYPE_FLAGS) & PYTHON_FLAG_HEAP &&
		    py_keys_read(heap, word_at(heap, address + heap->layout->class_keys), &keys))
			return add_block(blocks, keys.address, py_keys_bytes(&keys));
		return 0;
	default:
		return 0;
	}
}

int py_object_blocks(struct py_heap *heap, uint32_t object, struct py_blocks *ret)
{
	const struct py_type *type = py_type_of(heap, object);
	uint64_t address = heap->objects.items[object].address;
	struct py_attributes attributes;
	struct py_keys keys;
	int err = add_by_kind(heap, address, type, ret);

	if (err || !(type->flags & PYTHON_FLAG_MANAGED_DICT))
		return err;
	py_attributes_read(heap, address, type, &attributes);
	if (!attributes.block || !py_keys_read(heap, type->keys, &keys))
		return 0;
	return add_block(ret, attributes.block,
			 attributes.values - attributes.block + 8 * keys.room);
}

/* The block of a pool that it lies in; 0: it lies in none. */
static uint64_t pool_block(const struct py_heap *heap, uint64_t address)
{
	uint64_t size;

	return map64_get(&heap->pools, address & ~(uint64_t)(PYTHON_POOL_BYTES - 1), &size) ? size
											    : 0;
}

uint64_t py_object_bytes(struct py_heap *heap, uint32_t object, uint64_t *ret_pool_bytes)
{
	const struct py_type *type = py_type_of(heap, object);
	struct py_blocks blocks = VEC_INIT;
	uint64_t address = heap->objects.items[object].address;
	uint64_t bytes = body_bytes(heap, address, type);

	*ret_pool_bytes = pool_block(heap, address);
	/* Static objects have nothing before them. */
	if (heap->objects.items[object].tracked)
		bytes += py_head_bytes(type);
	(void)py_object_blocks(heap, object, &blocks);
	for (size_t i = 0; i < blocks.count; i++) {
		bytes += blocks.items[i].end - blocks.items[i].start;
		*ret_pool_bytes += pool_block(heap, blocks.items[i].start);
	}
	vec_done(&blocks);
	return bytes;
}
