// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * block_pool: objects come from slabs of 64 KiB that are never given back; freed ones are used again.
 * How many are in use goes up and down between 2,000 and 6,000 in 8 seconds.
 */
#include "course.h"

enum { OBJECT_BYTES = 128, SLAB_OBJECTS = 512, LOW = 2000, HIGH = 6000, PERIOD_S = 8 };

struct object {
	struct object *next;
	char data[OBJECT_BYTES - sizeof(void *)];
};

static struct {
	struct object *free, *used[HIGH];
	int count;
} pool;

APART static void add_slab(void)
{
	struct object *slab = sure(malloc(SLAB_OBJECTS * sizeof(*slab)));

	for (int i = 0; i < SLAB_OBJECTS; i++) {
		slab[i].next = pool.free;
		pool.free = &slab[i];
	}
}

static void take_object(void)
{
	if (!pool.free)
		add_slab();
	struct object *object = pool.free;

	pool.free = object->next;
	memset(object->data, 'o', sizeof(object->data));
	pool.used[pool.count++] = object;
}

static void return_object(void)
{
	size_t index = work_random(&course.shelf) % (unsigned long)pool.count;
	struct object *object = pool.used[index];

	pool.used[index] = pool.used[--pool.count];
	object->next = pool.free;
	pool.free = object;
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 200);
	unsigned long half = PERIOD_S * (unsigned long)course.rate / 2;

	while (course_step()) {
		unsigned long at = course.steps % (2 * half);
		int wanted = LOW + (int)((HIGH - LOW) * (at < half ? at : 2 * half - at) / half);

		while (pool.count < wanted)
			take_object();
		while (pool.count > wanted)
			return_object();
	}
	return 0;
}
