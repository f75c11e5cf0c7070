// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/dicts.h"
#include "account/pyheap/objects.h"
#include "base/strbuf.h"

#define TYPES_MAX       (1u << 18)
#define NAME_MAX_BYTES  256
#define BASIC_MAX_BYTES (1u << 20)
#define ITEM_MAX_BYTES  4096
#define BASES_MAX       64

/* What is read of a type object. */
struct raw_type {
	uint8_t bytes[PYTHON_TYPE_BYTES];
};

static uint64_t field(const struct raw_type *raw, size_t offset)
{
	uint64_t value;

	memcpy(&value, raw->bytes + offset, sizeof(value));
	return value;
}

static bool read_type(struct py_heap *heap, uint64_t address, struct raw_type *ret)
{
	return address % 8 == 0 && py_memory_copy(&heap->memory, address, ret, sizeof(*ret)) &&
	       py_references_alive(field(ret, PYTHON_REFERENCES));
}

static bool is_meta(struct py_heap *heap, uint64_t address)
{
	struct raw_type raw;

	return address == heap->runtime->types[PYTHON_TYPE_TYPE] ||
	       (read_type(heap, address, &raw) &&
		field(&raw, PYTHON_TYPE_FLAGS) & PYTHON_FLAG_TYPE);
}

static enum py_kind kind_by_flags(uint64_t flags)
{
	return flags & PYTHON_FLAG_TYPE                        ? PY_CLASS
	       : flags & PYTHON_FLAG_LIST                      ? PY_LIST
	       : flags & PYTHON_FLAG_TUPLE                     ? PY_TUPLE
	       : flags & PYTHON_FLAG_DICT                      ? PY_DICT
	       : flags & PYTHON_FLAG_STR                       ? PY_STR
	       : flags & (PYTHON_FLAG_BYTES | PYTHON_FLAG_INT) ? PY_NOTHING
							       : PY_OTHER;
}

static enum py_kind kind_by_address(const struct python_runtime *runtime, uint64_t address)
{
	static const enum py_kind kinds[PYTHON_BUILTINS] = {
		[PYTHON_SET] = PY_SET,
		[PYTHON_FROZEN_SET] = PY_SET,
		[PYTHON_MODULE] = PY_MODULE,
		[PYTHON_FUNCTION] = PY_FUNCTION,
		[PYTHON_CELL] = PY_CELL,
		[PYTHON_WEAK_REF] = PY_WEAK,
		[PYTHON_WEAK_PROXY] = PY_WEAK,
		[PYTHON_WEAK_CALL_PROXY] = PY_WEAK,
		[PYTHON_BYTEARRAY] = PY_BYTEARRAY,
	};

	for (size_t i = 0; i < PYTHON_BUILTINS; i++)
		if (runtime->types[i] == address)
			return kinds[i];
	return PY_OTHER;
}

/* By itself, or by the first of its bases that tells. */
static enum py_kind find_kind(struct py_heap *heap, uint64_t address, struct raw_type raw)
{
	enum py_kind kind = kind_by_flags(field(&raw, PYTHON_TYPE_FLAGS));
	char name[sizeof("collections.deque")];

	for (unsigned int i = 0; kind == PY_OTHER && i < BASES_MAX; i++) {
		kind = kind_by_address(heap->runtime, address);
		if (kind == PY_OTHER &&
		    py_memory_text(&heap->memory, field(&raw, PYTHON_TYPE_NAME), name,
				   sizeof(name)) &&
		    !strcmp(name, "collections.deque"))
			kind = PY_DEQUE;
		address = field(&raw, PYTHON_TYPE_BASE);
		if (!address || !read_type(heap, address, &raw))
			break;
	}
	return kind;
}

static bool looks_right(const struct raw_type *raw)
{
	uint64_t basic = field(raw, PYTHON_TYPE_BASIC_SIZE);
	uint64_t item = field(raw, PYTHON_TYPE_ITEM_SIZE);

	return basic >= PYTHON_OBJECT_BYTES && basic <= BASIC_MAX_BYTES && item <= ITEM_MAX_BYTES;
}

static uint32_t add_type(struct py_heap *heap, uint64_t address)
{
	char name[NAME_MAX_BYTES];
	struct raw_type raw;
	struct py_type type = {.address = address};

	if (heap->types.count >= TYPES_MAX || !read_type(heap, address, &raw) ||
	    !looks_right(&raw) || !is_meta(heap, field(&raw, PYTHON_TYPE)) ||
	    !py_memory_text(&heap->memory, field(&raw, PYTHON_TYPE_NAME), name, sizeof(name)))
		return PY_NO_TYPE;
	type.flags = field(&raw, PYTHON_TYPE_FLAGS);
	type.base = field(&raw, PYTHON_TYPE_BASE);
	type.basic_bytes = field(&raw, PYTHON_TYPE_BASIC_SIZE);
	type.item_bytes = field(&raw, PYTHON_TYPE_ITEM_SIZE);
	type.dict_offset = (int64_t)field(&raw, PYTHON_TYPE_DICT_OFFSET);
	type.weak_offset = (int64_t)field(&raw, PYTHON_TYPE_WEAK_OFFSET);
	type.kind = find_kind(heap, address, raw);
	if (type.flags & PYTHON_FLAG_HEAP)
		type.keys = py_memory_word(&heap->memory, address + heap->layout->class_keys);
	type.name = strdup(name);
	if (!type.name || vec_push(&heap->types, type)) {
		free(type.name);
		heap->error = -ENOMEM;
		return PY_NO_TYPE;
	}
	return (uint32_t)heap->types.count - 1;
}

static uint32_t look_up_type(struct py_heap *heap, uint64_t address)
{
	uint64_t type;

	if (map64_get(&heap->type_by_address, address, &type))
		return (uint32_t)type;
	/* What is no type may be asked for again and again, but so is anything a hostile process shows us. */
	type = add_type(heap, address);
	if (map64_put(&heap->type_by_address, address, type) < 0)
		heap->error = -ENOMEM;
	return (uint32_t)type;
}

uint32_t py_type_at(struct py_heap *heap, uint64_t address)
{
	struct py_recent_type *recent = &heap->recent_types[address / 16 % PY_RECENT_TYPES];

	if (!address)
		return PY_NO_TYPE;
	if (recent->address != address)
		*recent = (struct py_recent_type){address, look_up_type(heap, address)};
	return recent->type;
}

/* Of a class: "module.Outer.Inner"; the type object has "Inner" only. */
int py_type_name_fully(struct py_heap *heap, uint32_t index)
{
	struct py_type *type = &heap->types.items[index];
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	_cleanup_free_ char *module = NULL, *own = NULL;

	if (!(type->flags & PYTHON_FLAG_HEAP))
		return 0;
	module = py_dict_find_text(heap,
				   py_memory_word(&heap->memory, type->address + PYTHON_TYPE_DICT),
				   "__module__");
	own = py_object_text(heap, py_memory_word(&heap->memory,
						  type->address + heap->layout->class_keys - 8));
	if (!own || !*own)
		return 0;
	if (module && *module && strcmp(module, "builtins") != 0)
		strbuf_addf(&name, "%s.", module);
	strbuf_add_printable(&name, own, strlen(own));
	free(type->name);
	type->name = strbuf_detach(&name, NULL);
	return type->name ? 0 : -ENOMEM;
}
