/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plt.h - which function a PLT stub jumps to.
 *
 * x86-64 psABI 5.2 and the IBT layout (.plt.sec). A stub is named by the GOT slot it jumps through (or
 * the relocation index it pushes) and the relocation that fills that slot, so any linker's order of
 * stubs will do. The stubs that fit are few: an executable's imports. No state; hostile input is fine.
 */
#ifndef HOLDFAST_SYMBOL_PLT_H
#define HOLDFAST_SYMBOL_PLT_H

#include <stdint.h>

struct elf_file;

struct plt_stub {
	uint64_t address, size;
	const char *name;  /* of the imported function, owned by the file; NULL: see resolver */
	uint64_t resolver; /* address of the ifunc resolver, where name is NULL */
};

/* Calls @visit for each stub of .plt, .plt.sec, .plt.got and .iplt; stops at its first non-zero return
 * value and returns that. -ENOMEM. */
int plt_for_each(const struct elf_file *file, int (*visit)(const struct plt_stub *stub, void *user),
		 void *user);

#endif
