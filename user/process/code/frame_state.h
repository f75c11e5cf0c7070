/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the registers and the stack at one instruction of a function, on whichever way it was reached. What an
 * instruction does that is not understood makes values unknown; what may make everything unknown (the stack
 * pointer is lost, an instruction of the system) is refused. Behind wrapper.h.
 *
 * As compiled code does, a function's frame is taken to be written by nobody else until a pointer into it has been
 * stored or passed on.
 */
#ifndef HOLDFAST_CODE_FRAME_STATE_H
#define HOLDFAST_CODE_FRAME_STATE_H

#include "process/code/instruction.h"
#include "process/code/value.h"

#define FRAME_SLOTS      24 /* that are remembered */
#define FRAME_MAX_BLOCKS 32

struct frame_slot {
	int64_t offset; /* from the stack pointer at the entry, where the return address is */
	struct value value;
};

/* What is true on the ways that lead to an instruction. */
struct frame_facts {
	uint32_t live; /* blocks that may be there: allocated, not known to be null or freed */
	uint16_t zero, nonzero; /* registers (bits) that were 0 at the entry, that were not */
};

struct frame_state {
	struct value regs[REG_COUNT];
	struct frame_slot slots[FRAME_SLOTS];
	uint32_t slot_count;
	struct frame_facts facts;
	bool is_escaped;  /* a pointer into the frame is elsewhere */
	bool zero_tested; /* the zero flag says whether @tested is 0 */
	struct value tested;
};

void frame_state_enter(struct frame_state *s);
/* Makes @s true of both. Was it changed? */
bool frame_state_join(struct frame_state *s, const struct frame_state *other);

/* The effect of an instruction that is no call, jump or return. False: refused. */
bool frame_state_step(struct frame_state *s, const struct instruction *in);
/* A call came back with @result: what it may have changed is unknown. False: the stack pointer is. */
bool frame_state_return(struct frame_state *s, struct value result);
/* A call came back with that block, or null; @or_zero: the latter whatever the block's distance from the value is (it is
 * that of a wrapper which adds to a block). False: it may be there already. */
bool frame_state_allocate(struct frame_state *s, uint32_t block, bool or_zero);
/* They are gone; what points to one of them is unknown. */
void frame_state_free(struct frame_state *s, uint32_t blocks);
/* A jump that depends on the zero flag was taken or not: the tested value is 0 or is not. */
void frame_state_assume(struct frame_state *s, bool zero);

#endif
