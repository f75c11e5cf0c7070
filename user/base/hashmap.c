/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"

#define MIN_CAPACITY 16

uint64_t hash_u64(uint64_t key, uint64_t seed)
{
	/* The seed enters before and between the multiplications, so colliding keys depend on it. */
	__uint128_t product = (__uint128_t)(key ^ seed) * 0x9e3779b97f4a7c15ULL;
	uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);

	product = (__uint128_t)(folded ^ (seed >> 32 | seed << 32)) * 0xd6e8feb86659fd93ULL;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

uint64_t hash_seed_random(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		return seed;
	return hash_u64(clock_now_ns(), (uintptr_t)&seed ^ clock_wall_ns());
}

/* Slots for `count` entries at most 3/4 full: 0 or -ENOMEM. */
static int capacity_for(size_t count, size_t *ret_capacity)
{
	size_t capacity = MIN_CAPACITY;

	while (capacity / 4 * 3 < count) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return -ENOMEM;
	}
	*ret_capacity = capacity;
	return 0;
}

void map64_init(struct map64 *m, uint64_t seed)
{
	*m = (struct map64){.seed = seed};
}

void map64_done(struct map64 *m)
{
	free(m->slots);
	map64_init(m, m->seed);
}

void map64_clear(struct map64 *m)
{
	if (m->capacity)
		memset(m->slots, 0, m->capacity * sizeof(*m->slots));
	m->count = 0;
	m->has_zero = false;
}

/* The slot of the key, or the free slot where it belongs. There is always a free one. */
static size_t map64_slot(const struct map64_slot *slots, size_t capacity, uint64_t seed,
			 uint64_t key)
{
	size_t at = hash_u64(key, seed) & (capacity - 1);

	while (slots[at].key && slots[at].key != key)
		at = (at + 1) & (capacity - 1);
	return at;
}

static int map64_resize(struct map64 *m, size_t count)
{
	struct map64_slot *slots;
	size_t capacity;

	if (capacity_for(count, &capacity))
		return -ENOMEM;
	if (capacity <= m->capacity)
		return 0;
	slots = calloc(capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->capacity; i++) {
		if (m->slots[i].key)
			slots[map64_slot(slots, capacity, m->seed, m->slots[i].key)] = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->capacity = capacity;
	return 0;
}

int map64_reserve(struct map64 *m, size_t count)
{
	return map64_resize(m, count);
}

uint64_t *map64_find(struct map64 *m, uint64_t key)
{
	size_t at;

	if (!key)
		return m->has_zero ? &m->zero_value : NULL;
	if (!m->capacity)
		return NULL;
	at = map64_slot(m->slots, m->capacity, m->seed, key);
	return m->slots[at].key ? &m->slots[at].value : NULL;
}

bool map64_get(const struct map64 *m, uint64_t key, uint64_t *ret_value)
{
	const uint64_t *value = map64_find((struct map64 *)m, key);

	if (value && ret_value)
		*ret_value = *value;
	return value;
}

int map64_put(struct map64 *m, uint64_t key, uint64_t value)
{
	uint64_t *present = map64_find(m, key);
	int err;

	if (present) {
		*present = value;
		return 0;
	}
	if (key) {
		err = map64_resize(m, m->count - m->has_zero + 1);
		if (err)
			return err;
		m->slots[map64_slot(m->slots, m->capacity, m->seed, key)] =
			(struct map64_slot){key, value};
	} else {
		m->has_zero = true;
		m->zero_value = value;
	}
	m->count++;
	return 0;
}

/* Entries behind a freed slot move up, unless that would put them before the slot their hash names.
 */
static void map64_close_gap(struct map64 *m, size_t gap)
{
	size_t mask = m->capacity - 1;

	for (size_t at = (gap + 1) & mask; m->slots[at].key; at = (at + 1) & mask) {
		size_t home = hash_u64(m->slots[at].key, m->seed) & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			m->slots[gap] = m->slots[at];
			gap = at;
		}
	}
	m->slots[gap] = (struct map64_slot){0, 0};
}

bool map64_remove(struct map64 *m, uint64_t key, uint64_t *ret_value)
{
	const uint64_t *present = map64_find(m, key);

	if (!present)
		return false;
	if (ret_value)
		*ret_value = *present;
	if (key)
		map64_close_gap(m, map64_slot(m->slots, m->capacity, m->seed, key));
	else
		m->has_zero = false;
	m->count--;
	return true;
}

bool map64_next(const struct map64 *m, struct map64_iter *it)
{
	for (; it->next < m->capacity; it->next++) {
		if (m->slots[it->next].key) {
			it->key = m->slots[it->next].key;
			it->value = m->slots[it->next].value;
			it->next++;
			return true;
		}
	}
	if (it->next != m->capacity || !m->has_zero)
		return false;
	it->key = 0;
	it->value = m->zero_value;
	it->next++;
	return true;
}

void strmap_init(struct strmap *m, uint64_t seed)
{
	*m = (struct strmap){.seed = seed};
}

void strmap_done(struct strmap *m, void (*free_value)(void *))
{
	for (size_t i = 0; i < m->capacity; i++) {
		if (m->slots[i].key && free_value)
			free_value(m->slots[i].value);
		free(m->slots[i].key);
	}
	free(m->slots);
	strmap_init(m, m->seed);
}

/* The slot that holds `wanted`'s key, or the free slot where it belongs. */
static size_t strmap_slot(const struct strmap_slot *slots, size_t capacity,
			  const struct strmap_slot *wanted)
{
	size_t at = wanted->hash & (capacity - 1);

	while (slots[at].key && (slots[at].hash != wanted->hash || slots[at].len != wanted->len ||
				 memcmp(slots[at].key, wanted->key, wanted->len) != 0))
		at = (at + 1) & (capacity - 1);
	return at;
}

static struct strmap_slot *strmap_find(const struct strmap *m, const char *key, size_t len)
{
	struct strmap_slot wanted = {
		.key = (char *)key, .len = len, .hash = hash_bytes(key, len, m->seed)};

	if (!m->capacity)
		return NULL;
	return &m->slots[strmap_slot(m->slots, m->capacity, &wanted)];
}

void *strmap_get(const struct strmap *m, const char *key)
{
	return strmap_get_n(m, key, strlen(key));
}

void *strmap_get_n(const struct strmap *m, const char *key, size_t len)
{
	const struct strmap_slot *slot = strmap_find(m, key, len);

	return slot && slot->key ? slot->value : NULL;
}

static int strmap_resize(struct strmap *m, size_t count)
{
	struct strmap_slot *slots;
	size_t capacity;

	if (capacity_for(count, &capacity))
		return -ENOMEM;
	if (capacity <= m->capacity)
		return 0;
	slots = calloc(capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->capacity; i++) {
		if (m->slots[i].key)
			slots[strmap_slot(slots, capacity, &m->slots[i])] = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->capacity = capacity;
	return 0;
}

int strmap_put(struct strmap *m, const char *key, void *value, void **ret_old)
{
	return strmap_put_n(m, key, strlen(key), value, ret_old);
}

int strmap_put_n(struct strmap *m, const char *key, size_t len, void *value, void **ret_old)
{
	struct strmap_slot *slot = strmap_find(m, key, len);
	char *copy;

	if (slot && slot->key) {
		if (ret_old)
			*ret_old = slot->value;
		slot->value = value;
		return 0;
	}
	if (strmap_resize(m, m->count + 1))
		return -ENOMEM;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, key, len);
	copy[len] = '\0';
	*strmap_find(m, key, len) = (struct strmap_slot){
		.key = copy, .len = len, .hash = hash_bytes(key, len, m->seed), .value = value};
	m->count++;
	if (ret_old)
		*ret_old = NULL;
	return 0;
}

static void strmap_close_gap(struct strmap *m, size_t gap)
{
	size_t mask = m->capacity - 1;

	for (size_t at = (gap + 1) & mask; m->slots[at].key; at = (at + 1) & mask) {
		size_t home = m->slots[at].hash & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			m->slots[gap] = m->slots[at];
			gap = at;
		}
	}
	m->slots[gap] = (struct strmap_slot){.key = NULL};
}

void *strmap_remove(struct strmap *m, const char *key)
{
	struct strmap_slot *slot = strmap_find(m, key, strlen(key));
	void *value;

	if (!slot || !slot->key)
		return NULL;
	value = slot->value;
	free(slot->key);
	strmap_close_gap(m, (size_t)(slot - m->slots));
	m->count--;
	return value;
}

bool strmap_next(const struct strmap *m, struct strmap_iter *it)
{
	for (; it->next < m->capacity; it->next++) {
		const struct strmap_slot *slot = &m->slots[it->next];

		if (slot->key) {
			it->key = slot->key;
			it->len = slot->len;
			it->value = slot->value;
			it->next++;
			return true;
		}
	}
	return false;
}
