/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For frame_state.c, frame_step.c and wrapper.c only. */
#ifndef HOLDFAST_CODE_FRAME_STATE_INTERNAL_H
#define HOLDFAST_CODE_FRAME_STATE_INTERNAL_H

#include "process/code/frame_state.h"

/* A value that is one or the other, and what is true in each case. */
struct value frame_join_values(const struct value *a, const struct frame_facts *a_facts,
			       const struct value *b, const struct frame_facts *b_facts);
/* What is true besides if a tested value is 0 or is not. */
struct frame_facts frame_facts_of_test(const struct frame_state *s, bool zero);
/* @v where these blocks, the ones of a tested value, are null. */
struct value frame_value_if_null(struct value v, uint32_t blocks);

/* Nothing is known of @size bytes at @offset; of none with SIZE_MAX. */
void frame_forget(struct frame_state *s, int64_t offset, uint64_t size);
void frame_forget_all(struct frame_state *s);
void frame_remember(struct frame_state *s, int64_t offset, struct value value);
struct value frame_recall(const struct frame_state *s, int64_t offset);

#endif
