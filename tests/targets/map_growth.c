// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * map_growth: a hash table that only grows, with everything in it referenced: growing, not lost.
 * Each operation adds a key of 96 bytes (add_key) and makes a temporary copy of it (copy_key); the
 * array of buckets doubles by realloc (grow_buckets). 500 operations a second: 2.7 MiB a minute.
 */
#include "endless.h"

TRUTH_SITE(add_key);
TRUTH_SITE(copy_key);
TRUTH_SITE(grow_buckets);

struct key {
	struct key *next;
	unsigned long number;
	char text[80];
};

static struct key **buckets;
static size_t bucket_count, key_count;

TRUTH_FN static void grow_buckets(void)
{
	size_t count = bucket_count ? bucket_count * 2 : 64;
	struct key **grown = realloc(buckets, count * sizeof(*grown));

	TRUTH_STAY();
	if (bucket_count)
		TRUTH_FREE(grow_buckets, bucket_count * sizeof(*grown));
	TRUTH_ALLOC(grow_buckets, count * sizeof(*grown));
	memset(grown + bucket_count, 0, (count - bucket_count) * sizeof(*grown));
	buckets = grown;
	/* A chain splits in two: those with the new bit move up. */
	for (size_t i = 0; i < bucket_count; i++) {
		struct key *chain = buckets[i];

		buckets[i] = NULL;
		while (chain) {
			struct key *next = chain->next;
			struct key **bucket = &buckets[chain->number % count];

			chain->next = *bucket;
			*bucket = chain;
			chain = next;
		}
	}
	bucket_count = count;
}

TRUTH_FN static void add_key(unsigned long number)
{
	struct key *key = malloc(sizeof(*key));

	TRUTH_STAY();
	TRUTH_ALLOC(add_key, sizeof(*key));
	key->number = number;
	snprintf(key->text, sizeof(key->text), "key %lu", number);
	key->next = buckets[number % bucket_count];
	buckets[number % bucket_count] = key;
	key_count++;
}

TRUTH_FN static void copy_key(unsigned long number)
{
	void *copy = malloc(sizeof(struct key));

	TRUTH_HIDE(copy);
	TRUTH_ALLOC(copy_key, sizeof(struct key));
	memcpy(copy, buckets[number % bucket_count], sizeof(struct key));
	TRUTH_FREE(copy_key, sizeof(struct key));
	free(copy);
	TRUTH_STAY();
}

static void body(void)
{
	for (unsigned long number = 0; endless_step(); number++) {
		if (key_count == bucket_count)
			grow_buckets();
		add_key(number);
		copy_key(number);
	}
}

int main(int argc, char **argv)
{
	return endless_main(argc, argv, body, 500);
}
