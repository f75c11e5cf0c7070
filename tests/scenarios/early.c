// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * early: before its first step it reads a configuration of 3,000 entries, and again. The first one is
 * then held besides (--keep=1) or not referred to any more. From then on: nothing but small work.
 */
#include "course.h"

enum { ENTRIES = 3000 };

struct entry {
	struct entry *next;
	char name[40], value[60];
};

APART static struct entry *read_entry(struct entry *next, unsigned long number)
{
	struct entry *entry = sure(malloc(sizeof(*entry)));

	entry->next = next;
	snprintf(entry->name, sizeof(entry->name), "name %lu", number);
	snprintf(entry->value, sizeof(entry->value), "value %lu", number);
	return entry;
}

APART static struct entry *read_configuration(void)
{
	struct entry *first = NULL;

	for (unsigned long i = 0; i < ENTRIES; i++)
		first = read_entry(first, i);
	return first;
}

static struct entry *current, *before;

APART static void reload(int keep)
{
	if (keep)
		before = current;
	current = read_configuration();
}

int main(int argc, char **argv)
{
	unsigned long seen = 0;

	course_begin(argc, argv, 5);
	int keep = (int)course_number("--keep", 0);

	reload(keep);
	work_scrub();
	reload(keep);
	while (course_step())
		seen += strlen(current->value) + (before ? strlen(before->value) : 0);
	return seen == 0;
}
