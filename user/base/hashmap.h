/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hashmap.h - open-addressing maps: u64 → u64 (struct map64) and string → pointer (struct strmap).
 *
 * Keys may come from a hostile target: every map has a seed, by default random per map, so that
 * nobody outside can choose keys that collide. With a fixed seed the iteration order is reproducible
 * (tests, golden files).
 *
 *	struct map64 m;
 *	map64_init(&m, hash_seed_random());
 *	if (map64_put(&m, address, index) < 0) …;
 *	if (map64_get(&m, address, &index)) …;
 *	for (struct map64_iter it = {0}; map64_next(&m, &it);)
 *		use(it.key, it.value);
 *	map64_done(&m);
 *
 * Pointers as values: (uintptr_t)p; the map does not own what they point to.
 * Cost: 16 bytes a slot, at most 3/4 full. Removal leaves no tombstones. Any change ends an
 * iteration, except map64_put() on a key that is present. A failed put leaves the map as it was. One
 * thread at a time.
 */
#ifndef HF_BASE_HASHMAP_H
#define HF_BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A seed from getrandom(2). Falls back to the clock and addresses where that fails; never fails
 * itself. */
uint64_t hash_seed_random(void);
/* Seeded 64-bit hashes, for tables elsewhere. Not cryptographic. */
uint64_t hash_u64(uint64_t key, uint64_t seed);
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

struct map64_slot {
	uint64_t key; /* 0: free (key 0 itself is held in map64.zero_value) */
	uint64_t value;
};

struct map64 {
	struct map64_slot *slots;
	size_t capacity; /* power of two, or 0 */
	size_t count;
	uint64_t seed;
	uint64_t zero_value;
	bool has_zero;
};

struct map64_iter {
	size_t next; /* start with 0 */
	uint64_t key;
	uint64_t value;
};

void map64_init(struct map64 *m, uint64_t seed);
void map64_done(struct map64 *m);
/* Forgets all entries, keeps the memory. */
void map64_clear(struct map64 *m);
/* Room for `count` entries in total without further allocation: 0 or -ENOMEM. */
int map64_reserve(struct map64 *m, size_t count);

/* True and *ret_value (if not NULL) when the key is there; else false and *ret_value untouched. */
bool map64_get(const struct map64 *m, uint64_t key, uint64_t *ret_value);
/* Points to the value in place, valid until the next put or remove; NULL if the key is not there. */
uint64_t *map64_find(struct map64 *m, uint64_t key);
/* Sets, replacing an old value: 0 or -ENOMEM. */
int map64_put(struct map64 *m, uint64_t key, uint64_t value);
/* True and *ret_value (if not NULL) when the key was there. */
bool map64_remove(struct map64 *m, uint64_t key, uint64_t *ret_value);
bool map64_next(const struct map64 *m, struct map64_iter *it);

struct strmap_slot {
	char *key; /* owned copy, NUL-terminated; NULL: free */
	size_t len;
	uint64_t hash;
	void *value;
};

/* Keys are byte strings with a length; the map owns copies of them. */
struct strmap {
	struct strmap_slot *slots;
	size_t capacity;
	size_t count;
	uint64_t seed;
};

struct strmap_iter {
	size_t next; /* start with 0 */
	const char *key;
	size_t len;
	void *value;
};

void strmap_init(struct strmap *m, uint64_t seed);
/* Frees the keys; calls `free_value` (may be NULL) on each value. */
void strmap_done(struct strmap *m, void (*free_value)(void *));
/* The value, or NULL if the key is not there. Values should not be NULL. */
void *strmap_get(const struct strmap *m, const char *key);
void *strmap_get_n(const struct strmap *m, const char *key, size_t len);
/* Sets, replacing an old value, which goes to *ret_old (if not NULL; NULL if there was none): 0 or
 * -ENOMEM. */
int strmap_put(struct strmap *m, const char *key, void *value, void **ret_old);
int strmap_put_n(struct strmap *m, const char *key, size_t len, void *value, void **ret_old);
/* The removed value, or NULL. */
void *strmap_remove(struct strmap *m, const char *key);
bool strmap_next(const struct strmap *m, struct strmap_iter *it);

#endif
