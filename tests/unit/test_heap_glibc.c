// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the walker says of glibc's heap against the account that a child keeps of its own blocks (heap_account.c): every
 * one of them, with its usable bytes to the byte, and nothing else but what the C library itself holds.
 */
#include <sys/stat.h>

#include "account/heap/image.h"
#include "heap_subject.h"

struct account {
	uint64_t count;
	struct entry {
		uint64_t address, usable;
	} * entries;
};

static char account_path[PATH_MAX], static_path[PATH_MAX];

static int build(void **state)
{
	char command[5 * PATH_MAX], directory[PATH_MAX];

	(void)state;
	subject_path(directory);
	*strrchr(directory, '/') = 0;
	snprintf(account_path, sizeof(account_path), "%.4000s/heap_account", directory);
	snprintf(static_path, sizeof(static_path), "%.4000s/heap_account_static", directory);
	snprintf(command, sizeof(command),
		 "gcc -O2 -Iuser -o %s.%d tests/unit/heap_account.c -pthread && mv %s.%d %s",
		 account_path, (int)getpid(), account_path, (int)getpid(), account_path);
	assert_int_equal(system(command), 0);
	snprintf(
		command, sizeof(command),
		"gcc -O2 -Iuser -static -s -o %s.%d tests/unit/heap_account.c -pthread 2>/dev/null && "
		"mv %s.%d %s",
		static_path, (int)getpid(), static_path, (int)getpid(), static_path);
	if (system(command) != 0)
		*static_path = 0;
	return 0;
}

static void read_all(int fd, void *bytes, size_t size)
{
	while (size) {
		ssize_t got = read(fd, bytes, size);

		assert_true(got > 0);
		bytes = (char *)bytes + got;
		size -= (size_t)got;
	}
}

static struct account ask(struct subject *subject)
{
	struct account account;

	assert_int_equal(write(subject->to, "a", 1), 1);
	read_all(subject->from, &account.count, sizeof(account.count));
	account.entries = malloc(account.count * sizeof(*account.entries) + 1);
	read_all(subject->from, account.entries, account.count * sizeof(*account.entries));
	subject_await(subject);
	return account;
}

/* "SEED THREADS STEPS MODE…" */
static void begin(struct subject *subject, const char *program, const char *words)
{
	char copy[256], *argv[16] = {(char *)(uintptr_t)program}, *rest = NULL;
	size_t count = 1;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[count++] = word;
	subject_exec(subject, argv);
}

struct tally {
	uint64_t live, free;
};

static struct tally count_blocks(const struct block_map *map)
{
	struct tally tally = {0, 0};

	for (size_t i = 0; i < map->count; i++) {
		struct block_ref block;

		assert_false(map->items[i].dropped);
		for (uint64_t at = 0; block_next(&map->items[i], at, &block); at = block.index + 1)
			*(bit_get(block.segment->idle, block.index) ? &tally.free : &tally.live) +=
				1;
	}
	return tally;
}

/* An aligned block in a mapping of its own begins somewhere in it, which is not told. */
static bool is_equal(const struct entry *e, const struct block_ref *block)
{
	if (block->segment->shift == BLOCK_WHOLE_SEGMENT && block->start < e->address)
		return block->end == e->address + e->usable;
	return block->start == e->address && heap_usable_bytes(HEAP_GLIBC, block) == e->usable;
}

/* Of every block of the account, what the map says. Returns how many are not as they are. */
static uint64_t compare(const struct account *account, const struct block_map *map)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < account->count; i++) {
		const struct entry *e = &account->entries[i];
		struct block_ref block;
		bool found = block_find(map, e->address, &block);

		if (!(found && is_equal(e, &block)) && wrong++ < 5)
			print_message("# %#lx, %lu bytes: %s, %#lx to %#lx\n", e->address,
				      e->usable, found ? "another" : "none",
				      found ? block.start : 0, found ? block.end : 0);
	}
	return wrong;
}

static bool is_in(const struct account *account, uint64_t address)
{
	for (uint64_t i = 0; i < account->count; i++)
		if (account->entries[i].address == address)
			return true;
	return false;
}

static void show_others(const struct account *account, const struct block_map *map)
{
	unsigned int shown = 0;

	for (size_t i = 0; i < map->count; i++) {
		struct block_ref block;

		for (uint64_t at = 0; block_next(&map->items[i], at, &block) && shown < 20;
		     at = block.index + 1) {
			if (bit_get(block.segment->idle, block.index) ||
			    is_in(account, block.start))
				continue;
			print_message("# not known: %#lx, %lu bytes\n", block.start,
				      block.end - block.start);
			shown++;
		}
	}
}

/* False: a thread got no time to stop in, as on a busy machine; nothing was seen. */
static bool check_once(const char *program, const char *words, bool stop)
{
	struct heap_scan_options options;
	_Atomic uint64_t stop_began_ns = 0;
	struct subject subject;
	struct heap_image image;
	struct account account;
	unsigned int threads = 1;
	uint64_t extra;
	int err;

	begin(&subject, program, words);
	sscanf(words, "%*u %u", &threads);
	account = ask(&subject);
	options = subject_options(&subject, NULL);
	assert_int_equal(heap_image_open(&options, &stop_began_ns, &image), 0);
	assert_int_equal(image.walker->set, HEAP_GLIBC);
	err = heap_image_take(&image, stop);
	if (err == -ETIMEDOUT) {
		heap_image_close(&image);
		free(account.entries);
		subject_stop(&subject);
		return false;
	}
	assert_int_equal(err, 0);
	if (!image.sound || compare(&account, &image.place.map)) {
		print_message("# %s\n", words);
		fail();
	}
	extra = count_blocks(&image.place.map).live - account.count;
	/* A cache and a table of storage for each thread. */
	/* And what a static library takes at its start. */
	if (program == static_path)
		extra -= extra < 6 ? extra : 6;
	if (extra > 2 * threads + 1) {
		show_others(&account, &image.place.map);
		print_message("# %s: %lu blocks too many\n", words, extra);
	}
	assert_true(extra <= 2 * threads + 1);
	heap_image_close(&image);
	free(account.entries);
	subject_stop(&subject);
	return true;
}

static void check(const char *program, const char *words, bool stop)
{
	for (int tries = 0; tries < SUBJECT_TRIES; tries++)
		if (check_once(program, words, stop))
			return;
	fail_msg("it never stood still");
}

/* Under a sanitizer it is about the walker's memory: a third of them shows that. */
#ifdef __SANITIZE_ADDRESS__
#define PART_OF_SEEDS 3
#else
#define PART_OF_SEEDS 1
#endif

static void check_seeds(const char *program, const char *modes, unsigned int seeds)
{
	char words[128];

	seeds = (seeds + PART_OF_SEEDS - 1) / PART_OF_SEEDS;
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		snprintf(words, sizeof(words), "%u %u 15000 %s", seed, 1 + seed * seed % 7, modes);
		check(program, words, seed % 4);
	}
}

static void every_block_is_as_in_the_childs_account(void **state)
{
	const char *seeds = getenv("HEAP_SEEDS"); /* 24 for a thorough look */

	(void)state;
	check_seeds(account_path, "", seeds ? atoi(seeds) : 4);
}

static void also_with_a_single_arena(void **state)
{
	(void)state;
	check_seeds(account_path, "one", 4);
}

static void also_where_each_page_is_mapped(void **state)
{
	(void)state;
	check_seeds(account_path, "many", 5);
}

static void also_after_growth_and_a_trim(void **state)
{
	(void)state;
	check_seeds(account_path, "grow trim", 5);
}

static void also_with_long_chains_in_fast_bins(void **state)
{
	(void)state;
	check_seeds(account_path, "long", 3);
	check_seeds(account_path, "long one", 2);
}

static void also_in_a_stripped_static_program(void **state)
{
	(void)state;
	if (!*static_path)
		skip_because("no static C library");
	check_seeds(static_path, "", 4);
	check_seeds(static_path, "many trim", 3);
	check_seeds(static_path, "long", 3);
}

/* Heaps of an arena: more than one of 64 MiB, with blocks of all sizes in fast bins. */
static void also_over_many_heaps_of_one_arena(void **state)
{
	(void)state;
	check(account_path, "5 2 500000 grow", true);
	for (int i = 0; i < 2; i++)
		check(account_path, "6 33 20000", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_is_as_in_the_childs_account),
		cmocka_unit_test(also_with_a_single_arena),
		cmocka_unit_test(also_where_each_page_is_mapped),
		cmocka_unit_test(also_after_growth_and_a_trim),
		cmocka_unit_test(also_with_long_chains_in_fast_bins),
		cmocka_unit_test(also_in_a_stripped_static_program),
		cmocka_unit_test(also_over_many_heaps_of_one_arena),
	};

	return cmocka_run_group_tests(tests, build, NULL);
}
