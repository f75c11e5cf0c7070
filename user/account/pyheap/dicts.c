// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/dicts.h"

#include <stdlib.h>
#include <string.h>

#define LOG2_SIZE_MAX 40
#define KIND_GENERAL  0 /* entries: hash, key, value; the other kinds: key, value */
#define FIND_MAX      4096
#define ITEMS_MAX     (1ULL << 32)

bool py_keys_read(struct py_heap *heap, uint64_t address, struct py_keys *ret)
{
	uint8_t head[PYTHON_KEYS_INDEX];
	uint8_t log2_size, log2_index, kind;
	uint64_t count, usable;

	if (!address || address % 8 || !py_memory_copy(&heap->memory, address, head, sizeof(head)))
		return false;
	log2_size = head[PYTHON_KEYS_LOG2_SIZE];
	log2_index = head[PYTHON_KEYS_LOG2_SIZE + 1];
	kind = head[PYTHON_KEYS_LOG2_SIZE + 2];
	memcpy(&count, head + PYTHON_KEYS_COUNT, sizeof(count));
	memcpy(&usable, head + PYTHON_KEYS_USABLE, sizeof(usable));
	if (log2_size > LOG2_SIZE_MAX || log2_index < log2_size || log2_index > log2_size + 3 ||
	    count > 1ULL << log2_size || usable > 1ULL << log2_size)
		return false;
	*ret = (struct py_keys){
		.address = address,
		.entries = address + PYTHON_KEYS_INDEX + (1ULL << log2_index),
		.entry_bytes = kind == KIND_GENERAL ? 24 : 16,
		.key_offset = kind == KIND_GENERAL ? 8 : 0,
		.count = count,
		.room = count + usable,
	};
	return true;
}

uint64_t py_keys_key(struct py_heap *heap, const struct py_keys *keys, uint64_t index)
{
	return py_memory_word(&heap->memory,
			      keys->entries + index * keys->entry_bytes + keys->key_offset);
}

uint64_t py_keys_value(struct py_heap *heap, const struct py_keys *keys, uint64_t values,
		       uint64_t index)
{
	if (values)
		return py_memory_word(&heap->memory, values + 8 * index);
	return py_memory_word(&heap->memory,
			      keys->entries + index * keys->entry_bytes + keys->key_offset + 8);
}

/* Of the head of an array of values: it is behind one of some bytes in some versions. */
static uint64_t values_of(const struct py_heap *heap, uint64_t values)
{
	return values && heap->layout->values == PYTHON_VALUES_INLINE ? values + 8 : values;
}

bool py_dict_read(struct py_heap *heap, uint64_t dict, struct py_keys *ret_keys,
		  uint64_t *ret_values)
{
	uint64_t words[2];

	if (!dict ||
	    !py_memory_copy(&heap->memory, dict + PYTHON_DICT_KEYS, words, sizeof(words)) ||
	    !py_keys_read(heap, words[0], ret_keys))
		return false;
	*ret_values = values_of(heap, words[1]);
	return true;
}

char *py_dict_find_text(struct py_heap *heap, uint64_t dict, const char *key)
{
	struct py_keys keys;
	uint64_t values;

	if (!py_dict_read(heap, dict, &keys, &values))
		return NULL;
	for (uint64_t i = 0; i < keys.count && i < FIND_MAX; i++) {
		uint64_t value = py_keys_value(heap, &keys, values, i);
		_cleanup_free_ char *text =
			value ? py_object_text(heap, py_keys_key(heap, &keys, i)) : NULL;

		if (text && !strcmp(text, key))
			return py_object_text(heap, value);
	}
	return NULL;
}

/* The byte before an array of values: how many bytes stand before it. */
static uint64_t block_of(struct py_heap *heap, uint64_t values)
{
	uint8_t prefix;

	return py_memory_copy(&heap->memory, values - 1, &prefix, 1) && prefix >= 8
		       ? values - prefix
		       : values;
}

static void read_inline(struct py_heap *heap, uint64_t object, const struct py_type *type,
			struct py_attributes *ret)
{
	uint64_t head;

	if (ret->dict || !(type->flags & PYTHON_FLAG_INLINE_VALUES))
		return;
	head = py_memory_word(&heap->memory, object + type->basic_bytes);
	if (head >> 24 & 0xff)
		ret->values = object + type->basic_bytes + 8;
}

static void read_managed(struct py_heap *heap, uint64_t object, const struct py_type *type,
			 struct py_attributes *ret)
{
	uint64_t word = py_memory_word(&heap->memory, object - PYTHON_DICT_WORD);

	switch ((enum python_values_style)heap->layout->values) {
	case PYTHON_VALUES_POINTER:
		ret->dict = word;
		if (!word)
			ret->values = py_memory_word(&heap->memory, object - PYTHON_PRE_HEADER);
		break;
	case PYTHON_VALUES_TAGGED:
		ret->dict = word & 1 ? 0 : word;
		ret->values = word & 1 ? word + 1 : 0;
		break;
	case PYTHON_VALUES_INLINE:
		ret->dict = word;
		read_inline(heap, object, type, ret);
		return;
	}
	if (ret->values)
		ret->block = block_of(heap, ret->values);
}

/* Of a subclass of int or tuple the attributes are behind the items, at an offset from the end (PyObject_GenericGetDict). */
static uint64_t end_of_items(struct py_heap *heap, uint64_t object, const struct py_type *type)
{
	int64_t count = (int64_t)py_memory_word(&heap->memory, object + PYTHON_OBJECT_COUNT);
	uint64_t items = (uint64_t)(count < 0 ? -count : count);

	if (items > ITEMS_MAX)
		return 0;
	return (type->basic_bytes + items * type->item_bytes + 7) & ~7ULL;
}

void py_attributes_read(struct py_heap *heap, uint64_t object, const struct py_type *type,
			struct py_attributes *ret)
{
	*ret = (struct py_attributes){0};
	if (type->flags & PYTHON_FLAG_MANAGED_DICT)
		read_managed(heap, object, type, ret);
	else if (type->dict_offset > 0 && type->kind != PY_CLASS)
		ret->dict = py_memory_word(&heap->memory, object + (uint64_t)type->dict_offset);
	else if (type->dict_offset < 0 && type->item_bytes)
		ret->dict =
			py_memory_word(&heap->memory, object + end_of_items(heap, object, type) +
							      (uint64_t)type->dict_offset);
}
