/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a function of the module never return (a die() of its own)? By following its code: each way ends in a call of a
 * function that is known to never return, at a trap, in an endless loop, or in a call that the compiler put last. Behind
 * wrapper.h.
 */
#ifndef HOLDFAST_CODE_NO_RETURN_H
#define HOLDFAST_CODE_NO_RETURN_H

#include "process/code/code_view.h"
#include "process/code/instruction.h"

/* False also if that can't be told within some hundred instructions. @in is for decoding. */
bool code_never_returns(const struct code_view *code, struct instruction *in, uint64_t entry);

#endif
