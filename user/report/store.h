/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a report grows: its arena, and tables that keep one copy of each string, frame and stack.
 * For the two makers of reports, the builder and the JSON reader; nobody else includes this.
 *
 * Pointers given out live in the arena, as long as the report. Failures are -ENOMEM (memory bound
 * included).
 */
#ifndef HOLDFAST_REPORT_STORE_H
#define HOLDFAST_REPORT_STORE_H

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "report/report.h"

VEC_STRUCT(report_frame_vec, struct report_frame);
VEC_STRUCT(report_stack_vec, struct report_stack);
VEC_STRUCT(report_string_vec, const char *);

struct report_store {
	struct report *report; /* in the arena; zeroed at first */
	struct arena arena;
	uint64_t seed;
	struct map64 string_by_hash, frame_by_hash, stack_by_hash;
	struct report_string_vec strings;
	struct report_frame_vec frames;
	struct report_stack_vec stacks;
};

int report_store_init(struct report_store *store, uint64_t memory_bytes);
/* Also after report_store_finish(). */
void report_store_done(struct report_store *store);

/* The one copy of @text (NULL: ""). */
int report_store_string(struct report_store *store, const char *text, const char **ret_text);
/*
 * The number of an equal frame, made if new: same module, function, file, line and kind; where no
 * line is known same address too. Strings must be the store's own.
 */
int report_store_frame(struct report_store *store, const struct report_frame *frame,
		       uint32_t *ret_index);
/* Appends without looking for an equal one: what a file numbers keeps its numbers. */
int report_store_append_frame(struct report_store *store, const struct report_frame *frame);
/* The number of the stack with these frames, made if new. */
int report_store_stack(struct report_store *store, const uint32_t *frames, uint32_t depth,
		       uint32_t *ret_index);
/* Replaces all strings in @frame by the store's own. */
int report_store_frame_strings(struct report_store *store, struct report_frame *frame);
/* A copy of an array in the arena; NULL if it is empty. */
int report_store_array(struct report_store *store, const void *items, size_t bytes,
		       const void **ret);

/*
 * Copies the frame table into the report, which the caller owns now. The store is only good for
 * _done() then.
 */
int report_store_finish(struct report_store *store, struct report **ret_report);

#endif
