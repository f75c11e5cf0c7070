/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/store.h"

#include <string.h>

/* What report_free() finds behind a report. */
struct owner {
	struct report report;
	struct arena arena;
};

int report_store_init(struct report_store *store, uint64_t memory_bytes)
{
	struct owner *owner;

	memset(store, 0, sizeof(*store));
	arena_init(&store->arena, memory_bytes);
	store->seed = hash_seed_random();
	map64_init(&store->string_by_hash, store->seed);
	map64_init(&store->frame_by_hash, store->seed);
	map64_init(&store->stack_by_hash, store->seed);
	owner = arena_zalloc(&store->arena, sizeof(*owner));
	if (!owner)
		return -ENOMEM;
	store->report = &owner->report;
	return 0;
}

void report_store_done(struct report_store *store)
{
	map64_done(&store->string_by_hash);
	map64_done(&store->frame_by_hash);
	map64_done(&store->stack_by_hash);
	vec_done(&store->strings);
	vec_done(&store->frames);
	vec_done(&store->stacks);
	arena_done(&store->arena);
	store->report = NULL;
}

void report_free(struct report *report)
{
	if (report) {
		struct arena arena = ((struct owner *)report)->arena;

		arena_done(&arena);
	}
}

int report_store_string(struct report_store *store, const char *text, const char **ret_text)
{
	size_t len;
	uint64_t hash, index;
	char *copy;

	if (!text || !*text) {
		*ret_text = "";
		return 0;
	}
	len = strlen(text);
	hash = hash_bytes(text, len, store->seed);
	for (; map64_get(&store->string_by_hash, hash, &index); hash++) {
		if (!strcmp(store->strings.items[index], text)) {
			*ret_text = store->strings.items[index];
			return 0;
		}
	}
	copy = arena_strndup(&store->arena, text, len);
	if (!copy || vec_push(&store->strings, copy) < 0 ||
	    map64_put(&store->string_by_hash, hash, store->strings.count - 1) < 0)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

int report_store_frame_strings(struct report_store *store, struct report_frame *frame)
{
	if (report_store_string(store, frame->function, &frame->function) < 0 ||
	    report_store_string(store, frame->file, &frame->file) < 0 ||
	    report_store_string(store, frame->module, &frame->module) < 0 ||
	    report_store_string(store, frame->build_id, &frame->build_id) < 0)
		return -ENOMEM;
	return 0;
}

struct frame_key {
	const char *function, *file, *module, *build_id;
	uint64_t address;
	uint64_t line_and_kind;
};

static struct frame_key key_of(const struct report_frame *frame)
{
	return (struct frame_key){
		.function = frame->function,
		.file = frame->file,
		.module = frame->module,
		.build_id = frame->build_id,
		.address = frame->line ? 0 : frame->address,
		.line_and_kind = (uint64_t)frame->line << 8 | frame->kind,
	};
}

static bool same_key(const struct frame_key *a, const struct frame_key *b)
{
	return a->function == b->function && a->file == b->file && a->module == b->module &&
	       a->build_id == b->build_id && a->address == b->address &&
	       a->line_and_kind == b->line_and_kind;
}

/* True: *ret_index is an equal frame. False: *ret_hash is where to put it. */
static bool find_frame(const struct report_store *store, const struct report_frame *frame,
		       uint64_t *ret_hash, uint64_t *ret_index)
{
	struct frame_key key = key_of(frame);
	uint64_t hash = hash_bytes(&key, sizeof(key), store->seed);

	for (; map64_get(&store->frame_by_hash, hash, ret_index); hash++) {
		struct frame_key other = key_of(&store->frames.items[*ret_index]);

		if (same_key(&key, &other))
			return true;
	}
	*ret_hash = hash;
	return false;
}

int report_store_append_frame(struct report_store *store, const struct report_frame *frame)
{
	uint64_t hash, index;
	bool known = find_frame(store, frame, &hash, &index);

	if (store->frames.count >= UINT32_MAX || vec_push(&store->frames, *frame) < 0)
		return -ENOMEM;
	return known ? 0 : map64_put(&store->frame_by_hash, hash, store->frames.count - 1);
}

int report_store_frame(struct report_store *store, const struct report_frame *frame,
		       uint32_t *ret_index)
{
	uint64_t hash, index;

	if (!find_frame(store, frame, &hash, &index)) {
		int err = report_store_append_frame(store, frame);

		if (err)
			return err;
		index = store->frames.count - 1;
	}
	*ret_index = (uint32_t)index;
	return 0;
}

int report_store_stack(struct report_store *store, const uint32_t *frames, uint32_t depth,
		       uint32_t *ret_index)
{
	size_t bytes = depth * sizeof(*frames);
	uint64_t hash = hash_bytes(frames, bytes, store->seed), index;
	struct report_stack stack = {.depth = depth};

	for (; map64_get(&store->stack_by_hash, hash, &index); hash++) {
		const struct report_stack *known = &store->stacks.items[index];

		if (known->depth == depth && (!depth || !memcmp(known->frames, frames, bytes))) {
			*ret_index = (uint32_t)index;
			return 0;
		}
	}
	stack.frames = depth ? arena_memdup(&store->arena, frames, bytes) : NULL;
	if ((depth && !stack.frames) || store->stacks.count >= UINT32_MAX ||
	    vec_push(&store->stacks, stack) < 0 ||
	    map64_put(&store->stack_by_hash, hash, store->stacks.count - 1) < 0)
		return -ENOMEM;
	*ret_index = (uint32_t)(store->stacks.count - 1);
	return 0;
}

int report_store_array(struct report_store *store, const void *items, size_t bytes,
		       const void **ret)
{
	const void *copy = NULL;

	if (bytes) {
		copy = arena_memdup(&store->arena, items, bytes);
		if (!copy)
			return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

int report_store_finish(struct report_store *store, struct report **ret_report)
{
	struct report *report = store->report;
	const void *frames;
	int err = report_store_array(store, store->frames.items,
				     store->frames.count * sizeof(*store->frames.items), &frames);

	if (err)
		return err;
	report->frames = frames;
	report->frame_count = store->frames.count;
	((struct owner *)report)->arena = store->arena;
	arena_init(&store->arena, 0);
	store->report = NULL;
	*ret_report = report;
	return 0;
}
