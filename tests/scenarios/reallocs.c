// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reallocs: --act=widen: a line is made wider, and then given up by those who had the narrow one;
 * trim: 500 lines are read into large buffers and cut to what they need, the oldest freed; append:
 * one buffer grows with each act, and is held.
 */
#include "course.h"

enum { LINES = 500, NARROW = 40, WIDE = 240, APPENDED = 2048 };

APART static char *resize_line(char *line, size_t bytes)
{
	line = sure(realloc(line, bytes));

	return line;
}

/* What comes back is not told to the one who passed the line in. */
APART static size_t widen_line(char *line)
{
	char *wide = sure(realloc(line, WIDE));

	memset(wide + NARROW, '.', WIDE - NARROW);
	course_grew(WIDE);
	return wide[0] == 'l' ? WIDE : 0;
}

APART static void widen_new_line(void)
{
	char *line = sure(malloc(NARROW));

	memset(line, 'l', NARROW);
	widen_line(line);
}

static void trim_next_line(void)
{
	static char *lines[LINES];
	char **slot = &lines[course.steps % LINES];

	free(*slot);
	*slot = resize_line(NULL, 4096);
	memset(*slot, 't', 4096);
	*slot = resize_line(*slot, 64 + course.steps % 100);
}

APART static void append_text(void)
{
	static char *text;
	static size_t bytes;

	text = resize_line(text, bytes + APPENDED);
	memset(text + bytes, 'a', APPENDED);
	bytes += APPENDED;
	course_grew(APPENDED);
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 20);
	int widen = course_is("--act", "widen", "widen"),
	    trim = course_is("--act", "trim", "widen");

	while (course_step()) {
		if (widen)
			widen_new_line();
		else if (trim)
			trim_next_line();
		else
			append_text();
	}
	return 0;
}
