/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the machine share. */
#ifndef HOLDFAST_CODE_MACHINE_INTERNAL_H
#define HOLDFAST_CODE_MACHINE_INTERNAL_H

#include <Zydis/Zydis.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "process/code/machine.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct machine_page {
	uint64_t address;
	enum machine_access access;
	bool fresh;     /* not the process's: memory that a call was given */
	uint8_t *saved; /* as it was before the first write; NULL: nothing was written */
	uint8_t bytes[MACHINE_PAGE_BYTES];
};

struct machine_range {
	uint64_t start, end;
};

struct machine_flags {
	bool carry, zero, sign, overflow, parity, down;
};

#define VECTOR_BYTES 64
#define STACK_BYTES  (256u << 10)
#define STACK_TOP    0x17f000000000ull

/* An instruction of the latest ones at such an address, decoded. */
#define DECODED_SLOTS    8192u
#define DECODED_OPERANDS 4 /* as many as any handler looks at */

struct machine_decoded {
	uint64_t pc; /* 0: free */
	const struct machine_operation *operation;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[DECODED_OPERANDS];
};

struct machine {
	const struct machine_source *source;
	ZydisDecoder decoder;
	struct machine_decoded *decoded;
	/* The current one. */
	const ZydisDecodedInstruction *insn;
	const ZydisDecodedOperand *operands;
	uint64_t registers[16], pc;
	struct machine_flags flags;
	uint8_t vectors[32][VECTOR_BYTES];
	uint64_t masks[8];
	int err; /* the first one ends the call */
	uint32_t steps_left;
	bool wrote;
	struct map64 pages;
	size_t torn_pages;
	struct machine_page *latest;
	VEC(struct machine_page *) changed;
	VEC(struct machine_range) given; /* memory from nowhere */
	uint64_t next_given;
	VEC(uint64_t) entered;
};

static inline void machine_fail(struct machine *m, int err)
{
	if (!m->err)
		m->err = err;
}

/* machine_operand.c: operands of the current instruction. Bits beyond the operand's size are 0. */
uint64_t operand_address(const struct machine *m, const ZydisDecodedOperand *op);
uint64_t operand_get(struct machine *m, unsigned int index);
void operand_set(struct machine *m, unsigned int index, uint64_t value);
unsigned int operand_bits(const struct machine *m, unsigned int index);
/* A vector register or memory: as many bytes as the operand has, the rest of *ret 0. Also of a general register. */
void operand_get_bytes(struct machine *m, unsigned int index, uint8_t ret[VECTOR_BYTES]);
/* @size bytes; in a vector register those above become 0 with @zero_above. */
void operand_set_bytes(struct machine *m, unsigned int index, const uint8_t *bytes, size_t size,
		       bool zero_above);
uint64_t mask_bits(uint64_t value, unsigned int bits);
int64_t sign_extend(uint64_t value, unsigned int bits);

/* machine_vector.c: as operand_get_bytes(), but of memory only what the instruction's mask says. */
void vector_get(struct machine *m, unsigned int index, uint8_t ret[VECTOR_BYTES]);
/* Of the instruction; ~0: it has none. */
uint64_t vector_mask(const struct machine *m);

/* machine_mask.c: is the operand a mask register? */
bool operand_is_mask(const struct machine *m, unsigned int index);
/* Into the mask register that is the first operand: where the next two are so to each other, in units of so many bytes. The
 * numbers are VPCMP's. */
enum {
	MACHINE_EQUAL,
	MACHINE_LESS,
	MACHINE_LESS_EQUAL,
	MACHINE_UNEQUAL = 4,
	MACHINE_MORE_EQUAL,
	MACHINE_MORE,
	MACHINE_ALWAYS
};
void mask_compare(struct machine *m, unsigned int condition, unsigned int unit, bool is_signed);

/* machine_memory.c */
uint64_t memory_get(struct machine *m, uint64_t address, size_t size);
void memory_put(struct machine *m, uint64_t address, uint64_t value, size_t size);
/* Up to 15 bytes of code at the program counter; 0: none. */
size_t memory_code(struct machine *m, uint8_t *ret_bytes);
/* New memory somewhere; 0: too much. */
uint64_t memory_give(struct machine *m, uint64_t size);
int memory_give_at(struct machine *m, uint64_t start, uint64_t end);
void memory_done(struct machine *m);

/* How an instruction works: @variant tells those apart that share a function. */
struct machine_operation {
	void (*run)(struct machine *m, unsigned int variant);
	uint8_t variant;
};

/* NULL: not modelled. */
const struct machine_operation *integer_operation(ZydisMnemonic mnemonic);
const struct machine_operation *vector_operation(ZydisMnemonic mnemonic);
const struct machine_operation *mask_operation(ZydisMnemonic mnemonic);
bool machine_condition(const struct machine *m, unsigned int code);

#endif
