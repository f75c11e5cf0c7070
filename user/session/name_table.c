// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/name_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/limits.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/vec.h"

struct named_pc {
	uint8_t count;
	const uint32_t *frames;
};

struct named_stack {
	uint16_t depth;
	struct named_pc pcs[];
};

struct name_table {
	struct arena arena;
	VEC(struct report_frame) frames;
	struct map64 stacks; /* key_of() -> struct named_stack * */
};

/* A page fault's stack and an allocation's differ in what their first pc means. */
static uint64_t key_of(uint64_t hash, bool leaf_is_pc)
{
	return leaf_is_pc ? ~hash : hash;
}

int name_table_new(uint64_t memory_bytes, struct name_table **ret)
{
	struct name_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	arena_init(&table->arena, memory_bytes);
	map64_init(&table->stacks, hash_seed_random());
	*ret = table;
	return 0;
}

void name_table_free(struct name_table *table)
{
	if (!table)
		return;
	arena_done(&table->arena);
	vec_done(&table->frames);
	map64_done(&table->stacks);
	free(table);
}

static const char *take_text(struct name_table *table, struct cursor *c)
{
	size_t size;
	const char *bytes = cursor_text16(c, UINT16_MAX, &size);
	const char *text = bytes ? arena_strndup(&table->arena, bytes, size) : NULL;

	if (!text)
		cursor_fail(c);
	return text;
}

static int take_frame(struct name_table *table, struct cursor *c)
{
	struct report_frame frame = {.kind = cursor_u8(c)};

	frame.line = cursor_u32(c);
	frame.address = cursor_u64(c);
	frame.function = take_text(table, c);
	frame.file = take_text(table, c);
	frame.module = take_text(table, c);
	frame.build_id = take_text(table, c);
	if (c->bad || frame.kind >= FRAME_KIND_COUNT)
		return -EILSEQ;
	return vec_push(&table->frames, frame);
}

static int take_pc(struct name_table *table, struct cursor *c, struct named_pc *ret)
{
	uint8_t count = cursor_u8(c);
	uint32_t *frames = arena_alloc(&table->arena, count * sizeof(*frames));

	if (!frames)
		return -ENOMEM;
	for (uint8_t i = 0; i < count; i++) {
		frames[i] = cursor_u32(c);
		if (frames[i] >= table->frames.count)
			return -EILSEQ;
	}
	*ret = (struct named_pc){count, frames};
	return c->bad || !count || count > REPORT_MAX_INLINED ? -EILSEQ : 0;
}

static int take_stack(struct name_table *table, struct cursor *c)
{
	uint64_t hash = cursor_u64(c);
	bool leaf_is_pc = cursor_u8(c);
	uint16_t depth = cursor_u16(c);
	struct named_stack *stack;
	int err = 0;

	if (c->bad || depth > HF_MAX_FRAMES)
		return -EILSEQ;
	stack = arena_zalloc(&table->arena, sizeof(*stack) + depth * sizeof(stack->pcs[0]));
	if (!stack)
		return -ENOMEM;
	stack->depth = depth;
	for (uint16_t i = 0; !err && i < depth; i++)
		err = take_pc(table, c, &stack->pcs[i]);
	return err ? err : map64_put(&table->stacks, key_of(hash, leaf_is_pc), (uintptr_t)stack);
}

int name_table_take(struct name_table *table, const void *bytes, size_t size)
{
	struct cursor c = cursor_of(bytes, size);
	int err = 0;

	while (!err && cursor_left(&c)) {
		uint8_t kind = cursor_u8(&c);

		err = kind == 'F'   ? take_frame(table, &c)
		      : kind == 'S' ? take_stack(table, &c)
				    : -EILSEQ;
	}
	return err;
}

size_t name_table_frames(const struct name_table *table, const struct stack_trace *trace,
			 unsigned int index, bool leaf_is_pc, struct report_frame *ret_frames)
{
	const struct named_stack *stack = NULL;
	size_t at = index;
	uint64_t found;

	if (map64_get(&table->stacks, key_of(trace->hash, leaf_is_pc), &found))
		stack = (const struct named_stack *)(uintptr_t)found;
	/* The allocator's frames may have been cut off the trace's front. */
	if (stack && stack->depth > trace->depth)
		at += stack->depth - trace->depth;
	if (!stack || at >= stack->depth)
		return 0;
	for (uint8_t i = 0; i < stack->pcs[at].count; i++)
		ret_frames[i] = table->frames.items[stack->pcs[at].frames[i]];
	return stack->pcs[at].count;
}

/* Writing */

void name_writer_init(struct name_writer *writer, report_resolve_fn resolve, void *user)
{
	*writer = (struct name_writer){.resolve = resolve, .user = user};
	strbuf_init(&writer->block);
	map64_init(&writer->frames, hash_seed_random());
	map64_init(&writer->stacks, hash_seed_random());
}

void name_writer_done(struct name_writer *writer)
{
	strbuf_done(&writer->block);
	map64_done(&writer->frames);
	map64_done(&writer->stacks);
}

/* By content: the resolver's strings may differ in place. 64 bits: no two of millions are taken for one. */
static uint64_t hash_frame(const struct report_frame *frame, uint64_t seed)
{
	uint64_t hash = hash_bytes(frame->function, strlen(frame->function), seed);

	hash = hash_bytes(frame->file, strlen(frame->file), hash);
	hash = hash_bytes(frame->module, strlen(frame->module), hash);
	hash = hash_u64(frame->address, hash);
	return hash_u64((uint64_t)frame->line << 8 | frame->kind, hash);
}

static int number_of(struct name_writer *writer, const struct report_frame *frame, uint32_t *ret)
{
	uint64_t hash = hash_frame(frame, writer->frames.seed), known;
	struct strbuf *block = &writer->block;

	if (map64_get(&writer->frames, hash, &known)) {
		*ret = known - 1;
		return 0;
	}
	strbuf_addch(block, 'F');
	strbuf_add_le(block, frame->kind, 1);
	strbuf_add_le(block, frame->line, 4);
	strbuf_add_le(block, frame->address, 8);
	strbuf_add_text16(block, frame->function, UINT16_MAX);
	strbuf_add_text16(block, frame->file, UINT16_MAX);
	strbuf_add_text16(block, frame->module, UINT16_MAX);
	strbuf_add_text16(block, frame->build_id, UINT16_MAX);
	*ret = writer->frame_count++;
	return map64_put(&writer->frames, hash, *ret + 1);
}

/* Frames that are new come before the stack that names them. */
static int add_pcs(struct name_writer *writer, const struct stack_trace *trace,
		   struct strbuf *stack)
{
	struct report_frame frames[REPORT_MAX_INLINED];
	size_t count;
	uint32_t number;
	int err = 0;

	for (uint16_t i = 0; !err && i < trace->depth; i++) {
		err = writer->resolve(writer->user, trace, i, frames, &count);
		if (!err)
			strbuf_add_le(stack, count, 1);
		for (size_t k = 0; !err && k < count; k++) {
			err = number_of(writer, &frames[k], &number);
			strbuf_add_le(stack, number, 4);
		}
	}
	return err;
}

int name_writer_add(struct name_writer *writer, const struct stack_trace *trace, bool leaf_is_pc)
{
	_cleanup_(strbuf_done) struct strbuf stack = STRBUF_INIT;
	uint64_t key;
	int err;

	if (!trace || !trace->depth)
		return 0;
	key = key_of(trace->hash, leaf_is_pc);
	if (map64_get(&writer->stacks, key, NULL))
		return 0;
	strbuf_addch(&stack, 'S');
	strbuf_add_le(&stack, trace->hash, 8);
	strbuf_add_le(&stack, leaf_is_pc, 1);
	strbuf_add_le(&stack, trace->depth, 2);
	err = add_pcs(writer, trace, &stack);
	if (!err)
		err = strbuf_add(&writer->block, stack.buf, stack.len);
	if (!err && (stack.failed || writer->block.failed))
		err = -ENOMEM;
	return err ? err : map64_put(&writer->stacks, key, 1);
}
