/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dictionaries of CPython: entries in the order of insertion, behind an index that is not needed here. Those of instances of one class
 * may share their keys.
 */
#ifndef HOLDFAST_PYHEAP_DICTS_H
#define HOLDFAST_PYHEAP_DICTS_H

#include "account/pyheap/objects.h"

/* A table of keys. */
struct py_keys {
	uint64_t address, entries; /* of the table, of its first entry */
	uint64_t entry_bytes, key_offset;
	uint64_t count, room; /* entries, some of which may be without a value; how many fit */
};

/* False: there is none. */
bool py_keys_read(struct py_heap *heap, uint64_t address, struct py_keys *ret);
static inline uint64_t py_keys_bytes(const struct py_keys *keys)
{
	return keys->entries - keys->address + keys->room * keys->entry_bytes;
}

uint64_t py_keys_key(struct py_heap *heap, const struct py_keys *keys, uint64_t index);
/* In the entry itself, or where the values lie apart, there. 0: none. */
uint64_t py_keys_value(struct py_heap *heap, const struct py_keys *keys, uint64_t values,
		       uint64_t index);

/* The table of a dict object, and where its values are if they lie apart; 0: in the table. */
bool py_dict_read(struct py_heap *heap, uint64_t dict, struct py_keys *ret_keys,
		  uint64_t *ret_values);
/* The str under a key that is one. Caller frees. NULL: none. */
char *py_dict_find_text(struct py_heap *heap, uint64_t dict, const char *key);

/* Where an instance of a class has its attributes. */
struct py_attributes {
	uint64_t dict;   /* a dict object; 0: none */
	uint64_t values; /* an array of values, by its class's keys; 0: none */
	uint64_t block;  /* where the memory of that begins, if it is a block of its own */
};

void py_attributes_read(struct py_heap *heap, uint64_t object, const struct py_type *type,
			struct py_attributes *ret);

#endif
