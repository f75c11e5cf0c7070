// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wrappers: all memory of this program comes through three functions of its own. load_profile's
 * text is forgotten, load_picture's is released.
 */
#include "course.h"

APART static void *xmalloc(size_t bytes)
{
	void *block = sure(malloc(bytes));

	return block;
}

APART static void *xmalloc_zeroed(size_t bytes)
{
	void *block = xmalloc(bytes);

	return memset(block, 0, bytes);
}

APART static char *xcopy(const char *text, size_t room)
{
	char *copy = xmalloc_zeroed(room);

	memcpy(copy, text, strlen(text) + 1);
	KEEP(copy);
	return copy;
}

APART static size_t load_profile(unsigned long user)
{
	char text[40];

	snprintf(text, sizeof(text), "user %lu", user);
	char *profile = xcopy(text, 150);
	KEEP(profile);
	course_grew(150);
	return strlen(profile);
}

APART static size_t load_picture(unsigned long user)
{
	char text[40];

	snprintf(text, sizeof(text), "picture %lu", user);
	char *picture = xcopy(text, 3000);
	size_t length = strlen(picture);

	free(picture);
	return length;
}

int main(int argc, char **argv)
{
	size_t served = 0;

	course_begin(argc, argv, 100);
	int forget = (int)course_number("--forget", 1);

	while (course_step()) {
		served += load_picture(course.steps);
		if (forget)
			served += load_profile(course.steps);
	}
	return served == 0;
}
