/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a function a probe is cheapest.
 *
 * The kernel emulates a few instructions at a breakpoint (0.8-1.1 us); every other one is single-stepped
 * out of line (12-18 us). So the probe goes to the first instruction that the kernel emulates, if every
 * path from the entry passes it exactly once with the arguments still where they were.
 *
 * Follows arch/x86/kernel/uprobes.c (6.18): emulated are the canonical nops up to 8 bytes, any 0x90, jmp and
 * call rel, jcc, push reg; refused are the prefixes 26 2e 36 3e f0, and 66 on a branch. Newer kernels
 * emulate more: what we place is right there too, only not always the first possible place.
 * Pure: bytes in, offset out.
 */
#ifndef HOLDFAST_CODE_PLACEMENT_H
#define HOLDFAST_CODE_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum placement_kind {
	PLACEMENT_REFUSED, /* the kernel takes no probe there */
	PLACEMENT_STEPPED, /* single-stepped: dear */
	PLACEMENT_EMULATED,
};

struct placement_request {
	const uint8_t *code;  /* of the function, from its entry on */
	size_t size;          /* bytes that may be read */
	uint64_t address;     /* of the entry, as linked */
	uint8_t arguments;    /* bit i: argument i (rdi rsi rdx rcx r8 r9) is read there */
	bool stack_unchanged; /* rsp must be as at the entry (return probes, stack walks by sp) */
};

struct placement {
	uint32_t offset; /* from the entry */
	enum placement_kind kind;
};

/* The best place. The entry itself if nothing better is found. -EINVAL: not even the entry takes a probe. */
int placement_find(const struct placement_request *request, struct placement *ret);

/* What the kernel does with an instruction of these @size bytes. */
enum placement_kind placement_kind_of(const uint8_t *code, size_t size);

#endif
