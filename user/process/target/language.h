/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runtimes of languages whose objects lie in a heap of their own, that nobody looks into here: what of them is seen are mappings, page
 * faults and what they get from malloc. Their own tools see more, and are named. One line for each.
 */
#ifndef HOLDFAST_TARGET_LANGUAGE_H
#define HOLDFAST_TARGET_LANGUAGE_H

#include "process/target/target.h"

struct language {
	const char *name;
	const char *library; /* the beginning of a module's file name; NULL: none tells */
	const char *symbol;  /* that the program exports; NULL: none tells */
	const char *section; /* of the program; NULL: none tells */
	const char *tool;    /* for people: what counts its objects */
};

/* NULL: none of them is in the process. */
const struct language *language_find(const struct target *target);

#endif
