// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hidden: a store of 4,000 values, in steady use: each act frees one and puts another in its place.
 * What the store keeps is no plain pointer; --kind= xor: one masked by a key; offset: the distance
 * from the first, in units of 16 bytes and 32 bits; tagged: with a version in the high 16 bits;
 * packed: a plain one at any address.
 */
#include "course.h"

enum { VALUES = 4000, XOR_KEY = 0x5bd1e995 };

struct __attribute__((packed)) packed_entry {
	char flag;
	void *value;
	char kind[2];
};

static struct {
	uintptr_t words[VALUES];
	int32_t offsets[VALUES];
	struct packed_entry packed[VALUES];
	char *base; /* an anchor that is no value */
	void *(*get)(size_t index);
	void (*put)(size_t index, void *value);
} store;

static void *get_xor(size_t index)
{
	return (void *)(store.words[index] ^ ((uintptr_t)XOR_KEY << 32 | XOR_KEY));
}

static void put_xor(size_t index, void *value)
{
	store.words[index] = (uintptr_t)value ^ ((uintptr_t)XOR_KEY << 32 | XOR_KEY);
}

static void *get_offset(size_t index)
{
	return store.base + (ptrdiff_t)store.offsets[index] * 16;
}

static void put_offset(size_t index, void *value)
{
	store.offsets[index] = (int32_t)(((char *)value - store.base) / 16);
}

static void *get_tagged(size_t index)
{
	return (void *)(store.words[index] << 16 >> 16);
}

static void put_tagged(size_t index, void *value)
{
	store.words[index] = (uintptr_t)value | (uintptr_t)(1 + index % 0x7ffe) << 48;
}

static void *get_packed(size_t index)
{
	return store.packed[index].value;
}

static void put_packed(size_t index, void *value)
{
	store.packed[index].value = value;
}

APART static void *make_value(void)
{
	size_t bytes = 24 + work_random(&course.shelf) % 300;
	void *value = sure(malloc(bytes));

	memset(value, 'v', bytes);
	return value;
}

static int choose(void)
{
	if (course_is("--kind", "xor", "xor"))
		store.get = get_xor, store.put = put_xor;
	else if (course_is("--kind", "offset", "xor"))
		store.get = get_offset, store.put = put_offset;
	else if (course_is("--kind", "tagged", "xor"))
		store.get = get_tagged, store.put = put_tagged;
	else if (course_is("--kind", "packed", "xor"))
		store.get = get_packed, store.put = put_packed;
	return store.get != NULL;
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 300);
	if (!choose())
		return 64;
	store.base = make_value();
	for (size_t i = 0; i < VALUES; i++)
		store.put(i, make_value());
	while (course_step()) {
		size_t index = work_random(&course.shelf) % VALUES;

		free(store.get(index));
		store.put(index, make_value());
	}
	return 0;
}
