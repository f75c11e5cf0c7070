/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between family.c, which decides, and family_try.c, which tries one function. */
#ifndef HOLDFAST_CODE_FAMILY_INTERNAL_H
#define HOLDFAST_CODE_FAMILY_INTERNAL_H

#include "process/code/family.h"

#define TRY_BLOCKS 4

/* Addresses are the machine's. */
struct family_try {
	struct machine *machine;
	uint64_t malloc, free; /* of the family; 0: not found yet */
	unsigned int
		again; /* after so many blocks one that was given back has come again; 0: not known yet */
	unsigned int taken; /* blocks that the last try took until it came */
	uint64_t known;     /* a function that ended well at least once */
	bool busy;          /* a lock was held: what failed may be right another time */
};

/* Does the function behave so? Each begins with memory as the process has it. */
bool try_malloc(struct family_try *t, uint64_t function);
bool try_malloc_of(struct family_try *t,
		   uint64_t function); /* its blocks are taken by the family's free */
bool try_free(struct family_try *t, uint64_t function, bool sized);
bool try_calloc(struct family_try *t, uint64_t function);
bool try_realloc(struct family_try *t, uint64_t function);
bool try_aligned(struct family_try *t, uint64_t function);
bool try_aligned_to(struct family_try *t, uint64_t function);
bool try_new(struct family_try *t, uint64_t function);
/* Does the family's malloc hand out nothing twice that was not given back? Else the heap was read while it changed. */
bool try_keeps(struct family_try *t);
/* NULL for more than there is, and no other way out. */
bool try_fails_softly(struct family_try *t, uint64_t function, bool with_alignment);
/* In how many of @calls calls of a function (that allocate, or free what malloc gave) did it come by each of these? */
struct family_entered {
	const struct family_function *functions;
	unsigned int *counts; /* all 0 at first */
	size_t count;
	unsigned int calls;
};

void try_enters(struct family_try *t, const struct family_function *function,
		struct family_entered *entered);

#endif
