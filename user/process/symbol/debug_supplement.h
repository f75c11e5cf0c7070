/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_supplement.h - a supplementary debug file with nothing in it.
 *
 * Given to libdw where a file's real one is missing: with one set, libdw does not go and open the path
 * that the (hostile) file names, and every reference into it fails cleanly.
 */
#ifndef HOLDFAST_SYMBOL_DEBUG_SUPPLEMENT_H
#define HOLDFAST_SYMBOL_DEBUG_SUPPLEMENT_H

#include <elfutils/libdw.h>

struct debug_supplement {
	void *image;
	Elf *elf;
	Dwarf *dwarf;
};

/* Caller's storage. 0 or -ENOMEM; after a failure done is fine, too. */
int debug_supplement_init(struct debug_supplement *ret);
void debug_supplement_done(struct debug_supplement *supplement);

#endif
