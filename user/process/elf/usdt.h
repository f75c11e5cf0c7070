/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space probes (USDT) that a file declares: section .note.stapsdt, notes of type 3 named "stapsdt".
 *
 * Each tells where its nop is, where its semaphore is (a 16-bit counter that must not be 0 for the probe to be
 * reached; 0: it has none), its provider and name, and how its arguments are had there, as text such as
 * "8@%rdi -4@-20(%rbp) 8@$16". Addresses are as linked now: the linker may have moved the section .stapsdt.base, by which
 * the note's are corrected. The bytes are hostile.
 *
 * Source: SystemTap, sys/sdt.h and the wiki page UserSpaceProbeImplementation.
 */
#ifndef HOLDFAST_ELF_USDT_H
#define HOLDFAST_ELF_USDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/elf/elf_file.h"

struct usdt_probe {
	uint64_t address, semaphore;
	const char *provider, *name, *arguments; /* owned by the file */
};

/* Calls @visit for each; stops at its first non-zero return value and returns that. A damaged section ends the walk. */
int usdt_for_each(const struct elf_file *file,
		  int (*visit)(const struct usdt_probe *probe, void *user), void *user);

enum usdt_kind {
	USDT_CONSTANT, /* value */
	USDT_REGISTER,
	USDT_MEMORY, /* at value + base + index * scale */
};

#define USDT_NO_REGISTER 16

struct usdt_argument {
	enum usdt_kind kind;
	int8_t size; /* 1, 2, 4, 8 bytes; negative: signed */
	uint8_t reg; /* of REGISTER, or MEMORY's base: 0 rax rcx rdx rbx rsp rbp rsi rdi r8 ... 15 r15; 16: none */
	uint8_t index, scale;
	int64_t value;
};

/* Argument number @index (from 0) of the text. -ENOENT: there are fewer; -EINVAL: not understood, such as a symbol's name
 * or a vector register. */
int usdt_argument_parse(const char *arguments, unsigned int index, struct usdt_argument *ret);

#endif
