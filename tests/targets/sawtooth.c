// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * sawtooth: innocent. A batch grows to 10,000 records (--batch=N) of 64 to 1,063 bytes, is written
 * away and freed at once, and the next one begins: 5.6 MiB up in five seconds, and down, at the
 * default 2,000 operations a second.
 */
#include "endless.h"

TRUTH_SITE(append_record);

struct record {
	struct record *next;
	size_t bytes;
};

static struct record *batch;
static long batch_limit;

TRUTH_FN static void append_record(size_t bytes)
{
	struct record *record = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(append_record, bytes);
	*record = (struct record){batch, bytes};
	batch = record;
}

static void flush_batch(void)
{
	while (batch) {
		struct record *record = batch;

		batch = record->next;
		TRUTH_FREE(append_record, record->bytes);
		free(record);
	}
}

static void body(void)
{
	for (long i = 1; endless_step(); i++) {
		append_record(64 + (size_t)i * 7919 % 1000);
		if (i % batch_limit == 0)
			flush_batch();
	}
}

int main(int argc, char **argv)
{
	batch_limit = truth_argument(argc, argv, "--batch", 10000);
	return endless_main(argc, argv, body, 2000);
}
