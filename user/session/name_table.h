/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of a recording: frames of each stack as they were resolved where it was made, so that it can be read
 * on another machine.
 *
 * NAMES blocks are a row of entries, each beginning with a byte. Little endian.
 *	'F' kind u8, line u32, address u64, then function, file, module, build id: each u16 length and bytes.
 *	    A frame. They are numbered from 0 through all blocks.
 *	'S' hash u64, leaf u8, depth u16, then for each pc: count u8 and so many frame numbers u32.
 *	    A stack. leaf 1: its first pc is no return address (page faults).
 *
 * One thread. What a table gives out stays until it is freed.
 */
#ifndef HOLDFAST_SESSION_NAME_TABLE_H
#define HOLDFAST_SESSION_NAME_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/stack/stack_table.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/strbuf.h"
#include "report/builder.h"

struct name_table;

int name_table_new(uint64_t memory_bytes, struct name_table **ret);
void name_table_free(struct name_table *table);
DEFINE_CLEANUP(struct name_table *, name_table_free);

/* Takes one block in. -EILSEQ: malformed; -ENOMEM. */
int name_table_take(struct name_table *table, const void *bytes, size_t size);

/*
 * As report_resolve_fn, but returns the number of frames; 0 where the recording has no names.
 */
size_t name_table_frames(const struct name_table *table, const struct stack_trace *trace,
			 unsigned int index, bool leaf_is_pc, struct report_frame *ret_frames);

/* Makes the entries. Zero-initialize, then name_writer_init(). */
struct name_writer {
	struct strbuf block; /* entries not yet taken away */
	struct map64 frames; /* hash of a frame -> its number + 1 */
	struct map64 stacks; /* written */
	uint32_t frame_count;
	report_resolve_fn resolve;
	void *user;
};

void name_writer_init(struct name_writer *writer, report_resolve_fn resolve, void *user);
void name_writer_done(struct name_writer *writer);
/* Adds a stack once; NULL and depth 0 are fine. */
int name_writer_add(struct name_writer *writer, const struct stack_trace *trace, bool leaf_is_pc);

#endif
