// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * batches: a batch grows for ten seconds, is written away and freed. With --audit=N every N-th act
 * also makes an audit entry, whose list forgets the one before.
 */
#include "course.h"

struct record {
	struct record *next;
	char text[500];
};

struct audit {
	unsigned long number;
	char text[120];
};

static struct record *batch;
static struct audit *latest;

APART static void append_record(unsigned long number)
{
	struct record *record = sure(malloc(sizeof(*record)));

	record->next = batch;
	snprintf(record->text, sizeof(record->text), "record %lu", number);
	batch = record;
}

static void write_batch(void)
{
	while (batch) {
		struct record *next = batch->next;

		free(batch);
		batch = next;
	}
}

APART static void note_audit(unsigned long number)
{
	struct audit *audit = sure(malloc(sizeof(*audit)));

	audit->number = number;
	snprintf(audit->text, sizeof(audit->text), "audit %lu", number);
	latest = audit;
	course_grew(sizeof(*audit));
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 500);
	unsigned long audit = (unsigned long)course_number("--audit", 0);

	while (course_step()) {
		append_record(course.steps);
		if (course.steps % (10 * (unsigned long)course.rate) == 0)
			write_batch();
		if (audit && course.steps % audit == 0)
			note_audit(course.steps);
	}
	return latest && latest->number == 0;
}
