// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bursts: every --period=5 seconds 300 rows are imported at once. Two seconds later the import is
 * done with: its rows are freed, or with --forget=1 only their list is emptied.
 */
#include "course.h"

enum { ROWS = 300, ROW_BYTES = 220, RATE = 50 };

static struct {
	char *rows[ROWS];
	int count;
} import;

APART static void import_row(unsigned long number)
{
	char *row = sure(malloc(ROW_BYTES));

	snprintf(row, ROW_BYTES, "row %lu", number);
	import.rows[import.count++] = row;
}

static void import_done(int forget)
{
	for (int i = 0; i < import.count; i++) {
		if (forget)
			course_grew(ROW_BYTES);
		else
			free(import.rows[i]);
		import.rows[i] = NULL;
	}
	import.count = 0;
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, RATE);
	unsigned long period = (unsigned long)course_number("--period", 5) * RATE;
	int forget = (int)course_number("--forget", 0);

	while (course_step()) {
		if (course.steps % period == 1)
			for (int i = 0; i < ROWS; i++)
				import_row(course.steps);
		if (course.steps % period == 2 * RATE + 1)
			import_done(forget);
	}
	return 0;
}
