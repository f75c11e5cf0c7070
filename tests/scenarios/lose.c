// SPDX-License-Identifier: GPL-2.0-or-later
// build: also-stripped
/*
 * lose: a copy of the request is made for each act. It is released, but for one in --every (1: none
 * is); --every=0 releases all. --size=400 bytes a copy.
 */
#include "course.h"

APART static char *copy_request(size_t bytes)
{
	char *copy = sure(malloc(bytes));

	memset(copy, 'r', bytes);
	return copy;
}

/* Whether the request was in order. */
APART static int check_request(const char *copy, unsigned long number, unsigned long every)
{
	return copy[0] == 'r' && (!every || number % every);
}

APART static void serve_request(unsigned long number, unsigned long every, size_t bytes)
{
	char *copy = copy_request(bytes);

	if (!check_request(copy, number, every)) {
		course_grew((long)bytes);
		return;
	}
	free(copy);
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 100);
	unsigned long every = (unsigned long)course_number("--every", 1);
	size_t bytes = (size_t)course_number("--size", 400);

	while (course_step())
		serve_request(course.steps, every, bytes);
	return 0;
}
