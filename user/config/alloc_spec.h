/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alloc_spec.h - private allocators as the user describes them.
 *
 *	--alloc 'my_alloc(size=arg1)->ret'		size in the first argument, returns the block
 *	--alloc 'my_calloc(count=arg1,size=arg2)->ret'	bytes are count times size
 *	--alloc 'my_get(size=arg2)->arg1'		stores the block's address where argument 1 points
 *	--alloc 'libpool.so:my_alloc(size=arg1)->ret'	only in the module of this file name
 *	--alloc '0x401234(size=arg1)->ret'		a function without a name, at this address of the program's file
 *	--alloc 'my_realloc(ptr=arg1,size=arg2)->ret'	releases ptr, if it gives a block
 *	--free 'my_free(ptr=arg1)'			releases ptr
 *
 * argN: N-th integer or pointer argument of the System V x86-64 convention, 1 to 6.
 */
#ifndef HF_CONFIG_ALLOC_SPEC_H
#define HF_CONFIG_ALLOC_SPEC_H

#include <stdint.h>

#define ALLOC_SPEC_RETURN 255 /* result_arg: the return value */

struct alloc_spec {
	char *module;       /* file name, NULL: any */
	char *function;     /* symbol name */
	uint8_t size_arg;   /* 1..6, 0: none */
	uint8_t count_arg;  /* 1..6, 0: none */
	uint8_t ptr_arg;    /* 1..6, 0: none */
	uint8_t result_arg; /* ALLOC_SPEC_RETURN, 1..6 (stored through it), 0: none (a free) */
};

/* -EINVAL if it is not of this form, -ENOMEM. *ret is to be given to alloc_spec_done(). */
int alloc_spec_parse(const char *text, struct alloc_spec *ret);
/* The same for --free. */
int free_spec_parse(const char *text, struct alloc_spec *ret);
void alloc_spec_done(struct alloc_spec *spec);

#endif
