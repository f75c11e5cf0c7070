// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "process/elf/elf_frames.h"

#define CODE_MAX_BYTES (64ull << 20)
#define FUNCTIONS_MAX  (1u << 20)
#define CALLS_MAX      (16u << 20)
#define INSN_CALL      0xe8
#define CALL_BYTES     5

VEC_STRUCT(address_vec, uint64_t);

void code_functions_done(struct code_functions *functions)
{
	free(functions->items);
	functions->items = NULL;
	functions->count = 0;
}

static int add_frame(uint64_t address, void *user)
{
	struct address_vec *starts = user;

	return starts->count < FUNCTIONS_MAX ? vec_push(starts, address) : -EFBIG;
}

/* Where the calls within a segment's code lead that stay in it. */
static int add_calls(const struct elf_file *file, const struct elf_segment *segment,
		     struct address_vec *targets)
{
	const uint8_t *code = elf_file_image(file, segment->address, segment->file_bytes);
	int32_t distance;
	int err = 0;

	if (segment->file_bytes > CODE_MAX_BYTES)
		return -EFBIG;
	if (!code)
		return 0;
	for (uint64_t i = 0; !err && i + CALL_BYTES <= segment->file_bytes; i++) {
		uint64_t target;

		if (code[i] != INSN_CALL)
			continue;
		memcpy(&distance, code + i + 1, sizeof(distance));
		target = i + CALL_BYTES + (uint64_t)(int64_t)distance;
		if (target >= segment->file_bytes)
			continue;
		err = targets->count < CALLS_MAX ? vec_push(targets, segment->address + target)
						 : -EFBIG;
	}
	return err;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct address_vec *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(*v->items), by_address);
}

/* Both lists, sorted, into one of functions. */
static int merge(const struct address_vec *starts, const struct address_vec *targets,
		 struct code_functions *ret)
{
	VEC(struct code_function) all = VEC_INIT;
	size_t s = 0, t = 0;
	int err = 0;

	while (!err && (s < starts->count || t < targets->count)) {
		struct code_function f = {0};

		if (t == targets->count ||
		    (s < starts->count && starts->items[s] <= targets->items[t]))
			f.address = starts->items[s];
		else
			f.address = targets->items[t];
		for (; s < starts->count && starts->items[s] == f.address; s++)
			;
		for (; t < targets->count && targets->items[t] == f.address; t++)
			f.calls++;
		if (all.count)
			all.items[all.count - 1].size =
				f.address - all.items[all.count - 1].address;
		err = all.count < FUNCTIONS_MAX ? vec_push(&all, f) : -EFBIG;
	}
	if (err) {
		vec_done(&all);
		return err;
	}
	ret->items = all.items;
	ret->count = all.count;
	return 0;
}

int code_functions_list(const struct elf_file *file, struct code_functions *ret)
{
	struct address_vec starts = VEC_INIT, targets = VEC_INIT;
	_cleanup_(elf_frames_freep) struct elf_frames *frames = NULL;
	int err = elf_frames_new(file, &frames);

	if (!err)
		err = elf_frames_for_each(frames, add_frame, &starts);

	for (size_t i = 0; !err && i < elf_file_segment_count(file); i++) {
		const struct elf_segment *segment = elf_file_segment(file, i);

		if (segment->executable)
			err = add_calls(file, segment, &targets);
	}
	sort(&starts);
	sort(&targets);
	if (!err)
		err = merge(&starts, &targets, ret);
	vec_done(&starts);
	vec_done(&targets);
	return err;
}
