/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One decoded instruction of x86-64 in 64-bit mode. Private to this folder. */
#ifndef HOLDFAST_CODE_INSTRUCTION_H
#define HOLDFAST_CODE_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

#define INSTRUCTION_MAX_BYTES 15

struct instruction {
	ZydisDecoder zydis;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* 0 or -EINVAL: the library is not the one we were built with. */
int instruction_init(struct instruction *in);
/* False: @size bytes at @code begin with no instruction. */
bool instruction_decode(struct instruction *in, const uint8_t *code, size_t size);

/* Writes it any part of a 64-bit general register, explicitly or not? */
bool instruction_writes(const struct instruction *in, ZydisRegister wanted);
/* May the next instruction be another one than the one that follows? Calls, too. */
bool instruction_branches(const struct instruction *in);
/* Where a relative branch at @address leads. */
bool instruction_target(const struct instruction *in, uint64_t address, uint64_t *ret);
/* The address of the first operand, if that is memory relative to rip: of a branch the slot that it goes through. */
bool instruction_slot(const struct instruction *in, uint64_t address, uint64_t *ret);
/* Does the processor stop there? */
bool instruction_traps(const struct instruction *in);

#endif
