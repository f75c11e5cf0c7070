/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions of a program are its malloc, by what they do: for programs that have no names.
 *
 * The functions are tried on a machine of our own (machine.h), with the process's memory as it is at this moment. One
 * is taken for malloc only if there is another that is its free: of several blocks that the first handed out, exactly the
 * one that the second was given is handed out again. What else there is of the family is tried with these two: calloc's
 * blocks are zero, realloc's keep their content, aligned ones are aligned; and a product that overflows must fail.
 * A function that does nothing but go on to another one that does the same (xmalloc, operator new) is left out.
 *
 * Several families may be found: two allocators, or one that lives on the other.
 */
#ifndef HOLDFAST_CODE_FAMILY_H
#define HOLDFAST_CODE_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code/functions.h"
#include "process/code/machine.h"

enum family_role {
	FAMILY_MALLOC,     /* (size) */
	FAMILY_CALLOC,     /* (count, size) */
	FAMILY_REALLOC,    /* (block, size) */
	FAMILY_ALIGNED,    /* (alignment, size) */
	FAMILY_ALIGNED_TO, /* (&block, alignment, size): posix_memalign */
	FAMILY_NEW,        /* (size, alignment): operator new */
	FAMILY_FREE,       /* (block) */
	FAMILY_FREE_SIZED, /* (block, size, alignment), or the first two: operator delete */
};

struct family_function {
	enum family_role role;
	uint64_t address, size; /* as linked */
	bool may_throw;         /* it does not answer NULL to a size that nobody can have */
};

struct family {
	struct family_function *items;
	size_t count;
};

/*
 * 0; -ENOENT: none was found; -EAGAIN: none, and a lock was held; -ENOMEM. A heap that was changed while it was read may
 * hide functions, never show wrong ones: who looks again (machine_refresh()) merges what was found. @bias: address in the machine = address as linked + bias.
 */
int family_find(struct machine *machine, const struct code_functions *functions, uint64_t bias,
		struct family *ret);
void family_done(struct family *family);
/* Takes in the functions of @more that @family does not have, and tells how many; @more is released. -ENOMEM. */
int family_merge(struct family *family, struct family *more, size_t *ret_added);

#endif
