// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * cache_lru: innocent. A cache of at most 5,000 entries (--entries=N) of 100 to 355 bytes; every
 * operation asks for one of twice as many keys, more often for low ones, makes the entry if it is
 * absent, and throws out the one least recently used. Full after about ten seconds at the default
 * 2,000 operations a second; from then on as many bytes come as go.
 */
#include "endless.h"

enum { BUCKETS = 4096 };

TRUTH_SITE(cache_insert);
TRUTH_SITE(render_answer);

struct entry {
	struct entry *bucket_next, *older, *newer;
	unsigned long key;
	size_t bytes;
};

static struct {
	struct entry *buckets[BUCKETS], *oldest, *newest;
	long count, limit;
} cache;

TRUTH_FN static struct entry *cache_insert(unsigned long key)
{
	size_t bytes = sizeof(struct entry) + 60 + key % 256;
	struct entry *entry = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(cache_insert, bytes);
	*entry = (struct entry){cache.buckets[key % BUCKETS], NULL, NULL, key, bytes};
	cache.buckets[key % BUCKETS] = entry;
	cache.count++;
	return entry;
}

static void unlink_age(struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &cache.oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &cache.newest) = entry->older;
}

static void link_newest(struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache.newest;
	*(cache.newest ? &cache.newest->newer : &cache.oldest) = entry;
	cache.newest = entry;
}

static void evict(void)
{
	struct entry *entry = cache.oldest;
	struct entry **at = &cache.buckets[entry->key % BUCKETS];

	while (*at != entry)
		at = &(*at)->bucket_next;
	*at = entry->bucket_next;
	unlink_age(entry);
	cache.count--;
	TRUTH_FREE(cache_insert, entry->bytes);
	free(entry);
}

/* What a caller makes of an entry: gone at once. */
TRUTH_FN static void render_answer(const struct entry *entry)
{
	char *text = malloc(200);

	TRUTH_HIDE(text);
	TRUTH_ALLOC(render_answer, 200);
	snprintf(text, 200, "entry %lu", entry->key);
	TRUTH_FREE(render_answer, 200);
	free(text);
	TRUTH_STAY();
}

static unsigned long next_key(void)
{
	static unsigned long state = 12345;

	state = state * 6364136223846793005u + 1442695040888963407u;
	unsigned long keys = (unsigned long)cache.limit * 2;
	unsigned long a = (state >> 33) % keys, b = (state >> 13) % keys;
	return a < b ? a : b;
}

static void body(void)
{
	while (endless_step()) {
		unsigned long key = next_key();
		struct entry *entry = cache.buckets[key % BUCKETS];

		while (entry && entry->key != key)
			entry = entry->bucket_next;
		if (entry)
			unlink_age(entry);
		else
			entry = cache_insert(key);
		link_newest(entry);
		if (cache.count > cache.limit)
			evict();
		render_answer(entry);
	}
}

int main(int argc, char **argv)
{
	cache.limit = truth_argument(argc, argv, "--entries", 5000);
	return endless_main(argc, argv, body, 2000);
}
