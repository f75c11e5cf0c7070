/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a call in one module reaches: one of the given goals, or a function known by its name to never return or to
 * return its first argument; directly, through a stub of the linkage table ([endbr64] [bnd] jmp *slot(%rip), known by
 * its code and not by its section) or through a slot itself (-fno-plt).
 *
 * Names are those that the dynamic linker resolves, or of the module's own symbol table. A program may define a memcpy
 * or an abort of its own; nobody means something else by these names.
 *
 * Borrows the file and the goals; as the file, one owner, no threads.
 */
#ifndef HOLDFAST_CODE_CALLEES_H
#define HOLDFAST_CODE_CALLEES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code/goal.h"

struct elf_file;
struct callees;

#define CALLEE_STUB_MAX_BYTES 11

enum callee_habit {
	CALLEE_ORDINARY,
	CALLEE_NEVER_RETURNS,
	CALLEE_RETURNS_FIRST, /* its first argument */
};

struct callee {
	const struct code_goal *goal; /* NULL: none */
	enum callee_habit habit;
	uint64_t address; /* of its code, if that is in this module; 0: it is not, or nobody knows */
};

/* -ENOMEM. A file without sections has nothing but the goals that it defines. */
int callees_new(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		struct callees **ret);
void callees_free(struct callees *callees);

const struct code_goal *callees_goals(const struct callees *callees, size_t *ret_count);

/* Who is reached by a branch to @address. */
struct callee callees_at(const struct callees *callees, uint64_t address);
/* Who is reached through the pointer at @slot. */
struct callee callees_through(const struct callees *callees, uint64_t slot);
/* Does any slot lead to a goal? If not, there are no stubs of one either. */
bool callees_have_slots(const struct callees *callees);

#endif
