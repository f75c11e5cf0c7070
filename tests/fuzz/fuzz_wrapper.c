/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as code that is judged: the first byte is where the function ends, the others are code at 0x1000. Calls go by
 * their target: 0x2000 is malloc, 0x2010 realloc, 0x2020 free, 0x2030 memcpy, 0x2040 abort.
 */
#include <stdlib.h>
#include <string.h>

#include "process/code/wrapper.h"

#define BASE 0x1000u

static const struct code_goal goals[] = {
	{.size = {CODE_SIZE_ARGUMENT, 0, 0, CODE_WHOLE, 1, 0, 0}, .pointer_argument = HF_ARG_NONE},
	{.size = {CODE_SIZE_ARGUMENT, 1, 0, CODE_WHOLE, 1, 0, 0}},
	{.frees = true},
};

struct input {
	const uint8_t *code;
	size_t size;
	uint64_t end;
};

static const uint8_t *read_code(void *user, uint64_t address, size_t *ret_size)
{
	const struct input *in = user;

	if (address < BASE || address - BASE >= in->size)
		return NULL;
	*ret_size = in->size - (address - BASE);
	if (*ret_size > 15)
		*ret_size = 15;
	return in->code + (address - BASE);
}

static bool function_at(void *user, uint64_t address, uint64_t *ret_start, uint64_t *ret_end)
{
	const struct input *in = user;

	if (address < BASE || address >= BASE + in->size)
		return false;
	*ret_start = address < in->end ? BASE : in->end;
	*ret_end = address < in->end ? in->end : BASE + in->size;
	return true;
}

static struct callee called(void *user, uint64_t address)
{
	const struct input *in = user;
	struct callee callee = {0};

	if (address >= 0x2000 && address < 0x2030 && !(address & 15))
		callee.goal = &goals[(address - 0x2000) / 16];
	else if (address == 0x2030)
		callee.habit = CALLEE_RETURNS_FIRST;
	else if (address == 0x2040)
		callee.habit = CALLEE_NEVER_RETURNS;
	if (address >= BASE && address < BASE + in->size)
		callee.address = address;
	return callee;
}

static struct callee called_through(void *user, uint64_t slot)
{
	return called(user, slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct code_view view = {read_code, function_at, called, called_through, &in};
	struct wrapper_finder *finder;
	struct wrapper wrapper, again;
	int err;

	if (size < 2)
		return 0;
	in = (struct input){data + 1, size - 1, BASE + data[0]};
	if (in.end > BASE + in.size || in.end == BASE)
		in.end = BASE + in.size;
	if (wrapper_finder_new(&view, &finder))
		return 0;
	err = wrapper_find(finder, BASE, in.end, &wrapper);
	/* nothing of the first time is left over */
	if (wrapper_find(finder, BASE, in.end, &again) != err)
		abort();
	if (!err && (wrapper.inner_count == 0 || wrapper.inner_count > WRAPPER_MAX_INNER ||
		     wrapper.result_offset != again.result_offset))
		abort();
	wrapper_finder_free(finder);
	return 0;
}
