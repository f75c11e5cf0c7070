/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of a CPython process that were found, and their types. All of it is the target's memory: a type is taken for one only if
 * it looks like one in each respect, and nothing is followed more often than there are objects.
 */
#ifndef HOLDFAST_PYHEAP_OBJECTS_H
#define HOLDFAST_PYHEAP_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "account/pyheap/memory.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "process/python/runtime.h"

/* How the objects of a type hold others. */
enum py_kind {
	PY_OTHER,   /* in any of its words */
	PY_NOTHING, /* numbers and text */
	PY_LIST,
	PY_TUPLE,
	PY_DICT,
	PY_SET,
	PY_MODULE,
	PY_CLASS, /* a type */
	PY_FUNCTION,
	PY_CELL,
	PY_WEAK,
	PY_DEQUE,
	PY_BYTEARRAY, /* nothing, but it has a buffer */
	PY_STR,       /* nothing either, but its text may be the name of something */
};

struct py_type {
	uint64_t address, flags, base, keys; /* keys: of its instances' attributes; 0: none */
	uint64_t basic_bytes, item_bytes;
	int64_t dict_offset, weak_offset; /* 0 or less: none, or elsewhere */
	enum py_kind kind;
	char *name; /* owned */
};

#define PY_NO_TYPE UINT32_MAX

/* How an object is held by its parent. */
enum py_edge {
	PY_EDGE_NONE,
	PY_EDGE_ITEM,
	PY_EDGE_KEY,
	PY_EDGE_VALUE,     /* label: the key */
	PY_EDGE_ATTRIBUTE, /* label: the name */
	PY_EDGE_DICT,      /* the dict of an instance, a module or a type */
	PY_EDGE_SLOT,      /* label: the word's number */
	PY_EDGE_CLASS,     /* its own type */
	/* Of roots: */
	PY_EDGE_MODULE, /* label: the name */
	PY_EDGE_LOCAL,  /* of a frame: label: the name; parent: the code object */
	PY_EDGE_INTERPRETER,
	PY_EDGE_NATIVE, /* label: of the region */
};

#define PY_NO_OBJECT UINT32_MAX

struct py_object {
	uint64_t address;
	uint32_t type;
	uint32_t parent,
		label;  /* objects, but for labels of slots and regions; PY_NO_OBJECT: none */
	uint32_t bytes; /* saturated */
	uint8_t edge;   /* enum py_edge */
	bool tracked;   /* by the garbage collector */
	bool seen;      /* held from a root */
	bool overcounted; /* not held, and yet more references are counted than found; or held by such only */
	bool overcounted_itself; /* the former */
};

/* Types that were asked for lately. */
#define PY_RECENT_TYPES 1024

struct py_recent_type {
	uint64_t address;
	uint32_t type;
};

/*
 * Which object begins where, by page: no two begin within the same 16 bytes, so a page has a table of 256. An entry is
 * (object + 1) << 1, with bit 3 of the address as its lowest; 0: none.
 */
#define PY_TABLE_ENTRIES 256
/* Pages that were asked for lately. */
#define PY_RECENT_TABLES 2048

struct py_recent_table {
	uint64_t page;
	uint32_t *table; /* NULL: it has none */
};

struct py_heap {
	struct py_memory memory;
	const struct python_runtime *runtime;
	const struct python_layout *layout;
	VEC(struct py_type) types;
	struct map64 type_by_address; /* PY_NO_TYPE: is none */
	struct py_recent_type recent_types[PY_RECENT_TYPES];
	VEC(struct py_object) objects;
	struct map64 table_by_page; /* -> index in tables */
	VEC(uint32_t *) tables;
	struct py_recent_table recent_tables[PY_RECENT_TABLES];
	uint64_t bound_tables;
	uint64_t lowest, highest; /* addresses of objects */
	uint64_t bound_objects;
	struct map64 pools; /* address of each pool in use -> bytes of its blocks */
	uint64_t steps;     /* words looked at so far: no more than there are, a few times over */
	/* Sticky. -ENOMEM; -ENOSPC: not all objects fit; -EUCLEAN: objects that contradict each other, for no two own the same memory. */
	int error;
};

/* Before @words are looked at; false: these are too many, or something failed before. */
bool py_heap_step(struct py_heap *heap, uint64_t words);

void py_heap_init(struct py_heap *heap, const struct python_runtime *runtime, uint64_t bound_bytes);
void py_heap_done(struct py_heap *heap);

/* PY_NO_TYPE: none is there. */
uint32_t py_type_at(struct py_heap *heap, uint64_t address);

/* PY_NO_OBJECT: it is not known. */
uint32_t py_object_find(struct py_heap *heap, uint64_t address);
/* Adds one, or finds it. PY_NO_OBJECT: no memory, past the bound (heap->error tells), or another one lies there. */
uint32_t py_object_add(struct py_heap *heap, uint64_t address, uint32_t type);
/* An object that some other one refers to, and that was found nowhere else: it must look like one. PY_NO_OBJECT: it does not. */
uint32_t py_object_meet(struct py_heap *heap, uint64_t address);

/* What stands before an object of that type, in bytes. */
static inline uint64_t py_head_bytes(const struct py_type *type)
{
	return (type->flags & PYTHON_FLAG_GC ? PYTHON_GC_HEAD : 0) +
	       (type->flags & (PYTHON_FLAG_MANAGED_DICT | PYTHON_FLAG_MANAGED_WEAK) ? 16 : 0);
}

/* Is a count of references one that a live object has? Those of immortal ones are the largest. */
static inline bool py_references_alive(uint64_t references)
{
	return references && references < 1ULL << 40;
}

static inline bool py_references_immortal(uint64_t references)
{
	return (uint32_t)references >= 1u << 30;
}

static inline bool py_is_in_pool(const struct py_heap *heap, uint64_t address)
{
	uint64_t unused;

	return map64_get(&heap->pools, address & ~(uint64_t)(PYTHON_POOL_BYTES - 1), &unused);
}

static inline const struct py_type *py_type_of(const struct py_heap *heap, uint32_t object)
{
	return &heap->types.items[heap->objects.items[object].type];
}

/* The text of a str. Caller frees. NULL: it is none. */
char *py_object_text(struct py_heap *heap, uint64_t address);
/* Takes the place of the name in the type object, which for classes is without their module's. -ENOMEM. */
int py_type_name_fully(struct py_heap *heap, uint32_t type);

#endif
