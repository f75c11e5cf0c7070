/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/hashmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "cmocka_all.h"
#include "oom.h"

#define MODEL_KEYS 512

static void agrees_with_a_plain_array_over_a_random_stream(void **state)
{
	uint64_t model[MODEL_KEYS] = {0}, random = 42, value, seen;
	bool present[MODEL_KEYS] = {false};
	struct map64 m;
	size_t count = 0;

	(void)state;
	map64_init(&m, 1);
	for (int step = 0; step < 200000; step++) {
		uint64_t key = random_next(&random) % MODEL_KEYS; /* 0 included */

		value = random_next(&random);
		if (value % 2) {
			count += !present[key];
			present[key] = true;
			model[key] = value;
			assert_int_equal(map64_put(&m, key, value), 0);
		} else {
			seen = 1;
			assert_int_equal(map64_remove(&m, key, &seen), present[key]);
			assert_int_equal(seen, present[key] ? model[key] : 1);
			count -= present[key];
			present[key] = false;
		}
		assert_int_equal(m.count, count);
		key = random_next(&random) % MODEL_KEYS;
		assert_int_equal(map64_get(&m, key, &seen), present[key]);
		if (present[key])
			assert_int_equal(seen, model[key]);
	}
	seen = 0;
	for (struct map64_iter it = {0}; map64_next(&m, &it); seen++) {
		assert_true(present[it.key]);
		assert_int_equal(it.value, model[it.key]);
	}
	assert_int_equal(seen, count);
	map64_done(&m);
}

static void key_zero_is_a_key_like_any_other(void **state)
{
	struct map64 m;
	uint64_t value = 5;
	struct map64_iter it = {0};

	(void)state;
	map64_init(&m, 1);
	assert_false(map64_get(&m, 0, &value));
	assert_int_equal(value, 5);
	assert_int_equal(map64_put(&m, 0, 9), 0);
	assert_int_equal(m.count, 1);
	assert_true(map64_next(&m, &it));
	assert_int_equal(it.key, 0);
	assert_false(map64_next(&m, &it));
	assert_false(map64_next(&m, &it));
	*map64_find(&m, 0) += 1;
	assert_true(map64_remove(&m, 0, &value));
	assert_int_equal(value, 10);
	assert_int_equal(m.count, 0);
	map64_done(&m);
}

static void clearing_keeps_the_memory_and_forgets_the_rest(void **state)
{
	struct map64 m;
	size_t capacity;

	(void)state;
	map64_init(&m, 1);
	map64_clear(&m);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(map64_put(&m, i, i), 0);
	capacity = m.capacity;
	map64_clear(&m);
	assert_int_equal(m.count, 0);
	assert_int_equal(m.capacity, capacity);
	for (uint64_t i = 0; i < 1000; i++)
		assert_false(map64_get(&m, i, NULL));
	map64_done(&m);
}

static void reserved_room_needs_no_further_memory(void **state)
{
	struct map64 m;

	(void)state;
	map64_init(&m, 1);
	assert_int_equal(map64_reserve(&m, 1000), 0);
	oom_arm(1);
	for (uint64_t i = 1; i <= 1000; i++)
		assert_int_equal(map64_put(&m, i, i), 0);
	assert_false(oom_disarm());
	assert_int_equal(map64_reserve(&m, SIZE_MAX), -ENOMEM);
	assert_int_equal(m.count, 1000);
	map64_done(&m);
}

static void a_put_that_fails_leaves_the_map_as_it_was(void **state)
{
	struct map64 m;
	struct strmap s;
	uint64_t value;

	(void)state;
	map64_init(&m, 1);
	for (uint64_t i = 1; i <= 12; i++)
		assert_int_equal(map64_put(&m, i, i), 0);
	oom_arm(1);
	assert_int_equal(map64_put(&m, 13, 13), -ENOMEM);
	assert_true(oom_disarm());
	assert_int_equal(m.count, 12);
	for (uint64_t i = 1; i <= 12; i++)
		assert_true(map64_get(&m, i, &value) && value == i);
	assert_false(map64_get(&m, 13, NULL));
	map64_done(&m);

	strmap_init(&s, 1);
	for (long n = 1; n <= 2; n++) {
		oom_arm(n);
		assert_int_equal(strmap_put(&s, "key", &value, NULL), -ENOMEM);
		assert_true(oom_disarm());
		assert_int_equal(s.count, 0);
		assert_null(strmap_get(&s, "key"));
	}
	strmap_done(&s, NULL);
}

/* Slots visited for the key, counted from outside: distance of its slot from where its hash points. */
static size_t longest_probe(const struct map64 *m)
{
	size_t longest = 0;

	for (size_t at = 0; at < m->capacity; at++) {
		size_t home = hash_u64(m->slots[at].key, m->seed) & (m->capacity - 1);
		size_t distance = (at - home) & (m->capacity - 1);

		if (m->slots[at].key && distance > longest)
			longest = distance;
	}
	return longest;
}

static void regular_keys_do_not_pile_up(void **state)
{
	static const uint64_t strides[] = {1, 16, 4096, 1ULL << 21, 1ULL << 32, 1ULL << 44};
	uint64_t seeds[] = {0, 1, 0x9e3779b97f4a7c15ULL, ~0ULL};

	(void)state;
	for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
		for (size_t j = 0; j < sizeof(seeds) / sizeof(seeds[0]); j++) {
			struct map64 m;

			map64_init(&m, seeds[j]);
			for (uint64_t k = 1; k <= 20000; k++)
				assert_int_equal(map64_put(&m, k * strides[i], k), 0);
			/* linear probing at 61 % of random keys stays below about 60 */
			assert_true(longest_probe(&m) < 200);
			map64_done(&m);
		}
	}
}

static void another_seed_scatters_colliding_keys(void **state)
{
	uint64_t colliding[64], spread[64] = {0}, distinct = 0;
	size_t found = 0;

	(void)state;
	/* keys that share their low 10 hash bits under seed 1 */
	for (uint64_t key = 1; found < 64; key++) {
		if ((hash_u64(key, 1) & 1023) == 0)
			colliding[found++] = key;
	}
	for (size_t i = 0; i < 64; i++)
		spread[hash_u64(colliding[i], 0x1234567) & 63]++;
	for (size_t i = 0; i < 64; i++)
		distinct += spread[i] != 0;
	assert_true(distinct > 25); /* random: about 40 of 64 */
	assert_int_not_equal(hash_seed_random(), hash_seed_random());
}

static void hashes_of_bytes_depend_on_seed_and_length(void **state)
{
	(void)state;
	assert_true(hash_bytes("abc", 3, 1) == hash_bytes("abcd", 3, 1));
	assert_true(hash_bytes("abc", 3, 1) != hash_bytes("abc", 3, 2));
	assert_true(hash_bytes("abc", 3, 1) != hash_bytes("abc", 2, 1));
	assert_true(hash_bytes("", 0, 1) == hash_bytes("x", 0, 1));
}

static void strings_are_copied_replaced_and_removed(void **state)
{
	char key[16] = "alpha";
	int one = 1, two = 2;
	void *old = &two;
	struct strmap s;

	(void)state;
	strmap_init(&s, 1);
	assert_null(strmap_get(&s, "alpha"));
	assert_null(strmap_remove(&s, "alpha"));
	assert_int_equal(strmap_put(&s, key, &one, &old), 0);
	assert_null(old);
	memset(key, 'x', 5);
	assert_ptr_equal(strmap_get(&s, "alpha"), &one);
	assert_int_equal(strmap_put(&s, "alpha", &two, &old), 0);
	assert_ptr_equal(old, &one);
	assert_int_equal(s.count, 1);
	assert_null(strmap_get(&s, "alph"));
	assert_ptr_equal(strmap_get_n(&s, "alphabet", 5), &two);
	assert_int_equal(strmap_put_n(&s, "a\0b", 3, &one, NULL), 0);
	assert_null(strmap_get(&s, "a"));
	assert_ptr_equal(strmap_get_n(&s, "a\0b", 3), &one);
	assert_ptr_equal(strmap_remove(&s, "alpha"), &two);
	assert_null(strmap_get(&s, "alpha"));
	strmap_done(&s, NULL);
}

static void many_strings_survive_growth_and_removal(void **state)
{
	struct strmap s;
	struct strmap_iter it = {0};
	size_t seen = 0;
	char key[32];

	(void)state;
	strmap_init(&s, 3);
	for (uintptr_t i = 1; i <= 5000; i++) {
		snprintf(key, sizeof(key), "key-%lu", (unsigned long)i);
		assert_int_equal(strmap_put(&s, key, malloc(8), NULL), 0);
	}
	for (uintptr_t i = 1; i <= 5000; i += 2) {
		snprintf(key, sizeof(key), "key-%lu", (unsigned long)i);
		free(strmap_remove(&s, key));
	}
	for (uintptr_t i = 1; i <= 5000; i++) {
		snprintf(key, sizeof(key), "key-%lu", (unsigned long)i);
		assert_int_equal(strmap_get(&s, key) != NULL, i % 2 == 0);
	}
	while (strmap_next(&s, &it)) {
		assert_int_equal(strlen(it.key), it.len);
		seen++;
	}
	assert_int_equal(seen, 2500);
	strmap_done(&s, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array_over_a_random_stream),
		cmocka_unit_test(key_zero_is_a_key_like_any_other),
		cmocka_unit_test(clearing_keeps_the_memory_and_forgets_the_rest),
		cmocka_unit_test(reserved_room_needs_no_further_memory),
		cmocka_unit_test(a_put_that_fails_leaves_the_map_as_it_was),
		cmocka_unit_test(regular_keys_do_not_pile_up),
		cmocka_unit_test(another_seed_scatters_colliding_keys),
		cmocka_unit_test(hashes_of_bytes_depend_on_seed_and_length),
		cmocka_unit_test(strings_are_copied_replaced_and_removed),
		cmocka_unit_test(many_strings_survive_growth_and_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
