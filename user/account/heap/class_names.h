/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The class of a C++ object from its first word, also in stripped programs: vtable -> type information -> name (Itanium
 * C++ ABI, 2.5.2 and 2.9.4). The name is read from the process, so it is checked and remembered by vtable.
 */
#ifndef HOLDFAST_HEAP_CLASS_NAMES_H
#define HOLDFAST_HEAP_CLASS_NAMES_H

#include "base/hashmap.h"
#include "process/proc/maps.h"

#define CLASS_NAME_MAX_BYTES 256

struct class_names {
	int pid;
	const struct maps *maps;
	struct map64 known; /* vtable -> value of the owner's */
};

void class_names_init(struct class_names *names, int pid, const struct maps *maps);
void class_names_done(struct class_names *names);
/*
 * Known: true and *ret_value as it was put. Else, if it may be a vtable, true and the mangled name in @ret_name with
 * *ret_value UINT64_MAX: the owner gives it a value with class_names_put(). False: no class.
 */
bool class_names_find(struct class_names *names, uint64_t vtable, uint64_t *ret_value,
		      char ret_name[CLASS_NAME_MAX_BYTES]);
int class_names_put(struct class_names *names, uint64_t vtable, uint64_t value);

#endif
