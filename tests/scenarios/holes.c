// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holes: a store of 16 MiB of records, always full. Its records get longer by generations, to twice
 * the bytes; old ones go to make room for new ones, but never so many side by side that a new one
 * fits where they were: as many bytes live, in more and more memory, 13 MiB more a minute. That goes
 * on for more than two minutes; some time later it begins again.
 */
#include "course.h"

enum { STORE_BYTES = 16 << 20, FIRST_BYTES = 200, LAST_BYTES = 60000, MOVED_BYTES = 4096 };

struct record {
	struct record *next;
	size_t bytes;
};

/* The records in the order of their addresses, more or less. */
static struct {
	struct record *first, **end, **at;
	size_t bytes;
	uintptr_t hole; /* where the room before *at begins */
} store = {.end = &store.first, .at = &store.first};

APART static void store_record(size_t bytes)
{
	struct record *record = sure(malloc(bytes));

	memset(record, 's', bytes);
	*record = (struct record){NULL, bytes};
	*store.end = record;
	store.end = &record->next;
	store.bytes += bytes;
}

static void drop_record(void)
{
	struct record *record = *store.at;

	*store.at = record->next;
	if (!record->next)
		store.end = store.at;
	store.bytes -= record->bytes;
	free(record);
}

/* Goes on to the next record that is to go, and lets it go. False: there is none in this generation. */
static int drop_next(size_t new_bytes)
{
	while (*store.at && (*store.at)->bytes < new_bytes) {
		uintptr_t end = (uintptr_t)*store.at + (*store.at)->bytes + 2 * sizeof(size_t);

		if (end > store.hole && end - store.hole < new_bytes) {
			drop_record();
			return 1;
		}
		store.hole = end;
		store.at = &(*store.at)->next;
	}
	return 0;
}

static void begin_generation(void)
{
	store.at = &store.first;
	store.hole = 0;
}

int main(int argc, char **argv)
{
	size_t bytes = LAST_BYTES;

	course_begin(argc, argv, 50);
	while (course_step()) {
		if (bytes >= LAST_BYTES) {
			for (begin_generation(); *store.at;)
				drop_record();
			for (bytes = FIRST_BYTES; store.bytes + bytes <= STORE_BYTES;)
				store_record(bytes);
			begin_generation();
		}
		for (size_t until = store.bytes - MOVED_BYTES; store.bytes > until;)
			if (!drop_next(2 * bytes)) {
				bytes *= 2;
				begin_generation();
			}
		while (store.bytes + 2 * bytes <= STORE_BYTES)
			store_record(2 * bytes);
	}
	return 0;
}
