// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: things that hold a bounded number of blocks. --kind=ring: the last 1,000 lines of a log;
 * double: two buffers in turn, the one not in use made anew each time; slots: a cache of 2,000 fixed
 * places, a new value puts the old one out; later: what is done with is freed 20 seconds later.
 */
#include "course.h"

enum { LINES = 1000, SLOTS = 2000, LATER_S = 20, LATER_MAX = 20000 };

APART static char *make_block(size_t bytes)
{
	char *block = sure(malloc(bytes));

	memset(block, 'b', bytes);
	return block;
}

static void replace(char **at, size_t bytes)
{
	free(*at);
	*at = make_block(bytes);
}

static void log_line(void)
{
	static char *lines[LINES];

	replace(&lines[course.steps % LINES], 60 + work_random(&course.shelf) % 100);
}

static void swap_buffers(void)
{
	static char *buffers[2];

	replace(&buffers[course.steps % 2], (64 << 10) + work_random(&course.shelf) % 1000);
}

static void fill_slot(void)
{
	static char *slots[SLOTS];

	replace(&slots[work_random(&course.shelf) % SLOTS], 200);
}

static void free_later(void)
{
	static char *waiting[LATER_MAX];
	unsigned long delay = LATER_S * (unsigned long)course.rate;

	replace(&waiting[course.steps % (delay < LATER_MAX ? delay : LATER_MAX)], 300);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} kinds[] = {{"ring", log_line},
		     {"double", swap_buffers},
		     {"slots", fill_slot},
		     {"later", free_later}};

	course_begin(argc, argv, 200);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (course_is("--kind", kinds[i].name, "ring"))
			while (course_step())
				kinds[i].act();
	return 0;
}
