// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bursts: every --period=5 seconds --rows=300 are imported at once. After two fifths of that time the import is
 * done with: its rows are freed, or with --forget=1 only their list is emptied.
 */
#include "course.h"

enum { ROWS_MAX = 100000, ROW_BYTES = 220, RATE = 50 };

static struct {
	char *rows[ROWS_MAX];
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
	long rows = course_number("--rows", 300);
	int forget = (int)course_number("--forget", 0);

	rows = rows > ROWS_MAX ? ROWS_MAX : rows;
	while (course_step()) {
		if (course.steps % period == 1)
			for (long i = 0; i < rows; i++)
				import_row(course.steps);
		if (course.steps % period == 2 * period / 5 + 1)
			import_done(forget);
	}
	return 0;
}
