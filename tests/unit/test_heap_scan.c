// SPDX-License-Identifier: GPL-2.0-or-later
/* A child of ours that knows what it has lost, and what a scan says of it. */
#include "heap_subject.h"

#define HELD  3000
#define LOST  500
#define PAIRS 40 /* circles of two */
#define LARGE 300000

struct node {
	struct node *next;
	uint64_t payload[5];
};

static void *volatile anchor;
static struct node *volatile list;

static void hold(void)
{
	for (int i = 0; i < HELD; i++) {
		struct node *node = malloc(sizeof(*node));

		memset(node, 1, sizeof(*node));
		node->next = list;
		list = node;
	}
}

static __attribute__((noinline)) void lose(void)
{
	for (int i = 0; i < LOST; i++) {
		anchor = malloc(72);
		memset(anchor, 2, 72);
	}
	for (int i = 0; i < PAIRS; i++) {
		struct node *a = malloc(104), *b = malloc(104);

		a->next = b;
		b->next = a;
		anchor = a;
	}
	anchor = malloc(LARGE);
	*(uint64_t *)anchor = 3;
	anchor = NULL;
}

static void run(void)
{
	hold();
	for (;;) {
		subject_forget();
		if (subject_ready() == 'l')
			lose();
	}
}

static const struct subject_role roles[] = {{"run", run}, {NULL, NULL}};

static int start(void **state)
{
	static struct subject subject;

	subject_start(&subject, "run");
	*state = &subject;
	return 0;
}

static int stop(void **state)
{
	subject_stop(*state);
	return 0;
}

static struct heap_snapshot *scan(const struct subject *subject, const struct heap_snapshot *before,
				  bool no_stop)
{
	struct heap_scan_options options = subject_options(subject, before);
	struct heap_snapshot *snapshot = NULL;

	options.no_stop = no_stop;
	assert_int_equal(subject_scan_by(&options, &snapshot), 0);
	assert_int_equal(snapshot->live_set, HEAP_GLIBC);
	assert_string_equal(snapshot->reason, "");
	assert_true(snapshot->complete);
	assert_int_equal(snapshot->stopped, !no_stop);
	return snapshot;
}

static const struct heap_group *group_of(const struct heap_snapshot *s, enum heap_kind kind,
					 uint64_t size)
{
	for (size_t i = 0; i < s->group_count; i++)
		if (s->types[s->groups[i].type].kind == kind && s->groups[i].size_bytes == size)
			return &s->groups[i];
	return NULL;
}

static void check_lost(struct subject *subject, bool no_stop)
{
	struct heap_snapshot *first, *second, *before = scan(subject, NULL, no_stop);
	const struct heap_group *group;

	assert_int_equal(before->lost_total, 0);
	subject_order(subject, 'l');
	first = scan(subject, before, no_stop);
	assert_int_equal(first->lost_total, LOST + 2 * PAIRS + 1);
	assert_int_equal(first->lost_count, 0); /* nothing is lost that was not missed twice */
	second = scan(subject, first, no_stop);
	assert_int_equal(second->lost_total, LOST + 2 * PAIRS + 1);
	/* Without a stop no register is seen: what is missed may be held there. */
	assert_int_equal(second->lost_count, no_stop ? 0 : LOST + 2 * PAIRS + 1);
	group = group_of(second, HEAP_DATA, 72);
	assert_non_null(group);
	assert_int_equal(group->lost_count, no_stop ? 0 : LOST);
	assert_int_equal(group->lost_bytes, no_stop ? 0 : LOST * 72);
	group = group_of(second, HEAP_POINTERS, 56);
	assert_non_null(group);
	assert_int_equal(group->lost_count, 0);
	assert_true(group->count >= HELD - 1); /* the last one's next is NULL: data */
	heap_snapshot_free(before);
	heap_snapshot_free(first);
	heap_snapshot_free(second);
}

static void blocks_that_nothing_refers_to_are_lost_in_the_second_look(void **state)
{
	check_lost(*state, false);
}

static void the_same_is_suspected_without_a_stop(void **state)
{
	check_lost(*state, true);
}

static void of_a_circle_one_block_is_lost_directly(void **state)
{
	struct subject *subject = *state;
	struct heap_snapshot *s;
	size_t direct = 0, indirect = 0;

	subject_order(subject, 'l');
	s = scan(subject, NULL, false);
	for (size_t i = 0; i < s->lost_total; i++) {
		if (s->lost[i].size_bytes != 104)
			continue;
		direct += !s->lost[i].indirect;
		indirect += s->lost[i].indirect;
	}
	assert_int_equal(direct, PAIRS);
	assert_int_equal(indirect, PAIRS);
	heap_snapshot_free(s);
}

static void a_list_is_held_by_the_variable_it_begins_in(void **state)
{
	struct subject *subject = *state;
	struct heap_snapshot *s = scan(subject, NULL, false);
	const struct heap_group *group = group_of(s, HEAP_POINTERS, 56);

	assert_non_null(group);
	assert_int_equal(group->holder.root, HEAP_ROOT_GLOBAL);
	assert_non_null(strstr(group->holder.path, "/test_heap_scan"));
	assert_string_equal(heap_kind_name(s->types[group->type].kind), "pointers");
	assert_string_equal(heap_live_set_name(s->live_set), "glibc malloc");
	heap_snapshot_free(s);
}

/* A lost block of that size. */
static uint64_t lost_of_size(const struct heap_snapshot *s, uint64_t least, uint64_t most)
{
	for (size_t i = 0; i < s->lost_total; i++)
		if (s->lost[i].size_bytes >= least && s->lost[i].size_bytes <= most)
			return s->lost[i].address;
	fail();
	return 0;
}

static void a_block_is_there_as_long_as_one_of_its_size_is(void **state)
{
	struct heap_snapshot *first = scan(*state, NULL, false), *lost, *now;
	struct heap_scan_options options = subject_options(*state, NULL);
	static const bool there[] = {true, false, false, false, true, false};
	uint64_t small, large;

	subject_order(*state, 'l');
	lost = scan(*state, first, false);
	small = lost_of_size(lost, 72, 72);
	large = lost_of_size(lost, LARGE, LARGE + 8192);
	options.watched = (struct heap_known[]){{small, 72},    {small, 20},
						{small, 73},    {small + 16, 40},
						{large, LARGE}, {large, LARGE / 2}};
	options.watched_count = 6;
	assert_int_equal(subject_scan_by(&options, &now), 0);
	assert_int_equal(now->watched_count, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(now->watched[i], there[i]);
	heap_snapshot_free(first);
	heap_snapshot_free(lost);
	heap_snapshot_free(now);
}

static void a_process_that_is_gone_is_told(void **state)
{
	struct heap_scan_options options = {
		.pid = 0x3ffffff, .max_stop_ns = 1, .memory_bytes = 1 << 20};
	struct heap_snapshot *snapshot = NULL;
	struct heap_worker *job = NULL;

	(void)state;
	assert_int_equal(heap_scan_start(&options, &job), 0);
	assert_int_equal(heap_scan_finish(job, &snapshot), -ESRCH);
	assert_int_equal(heap_scan_start(&options, &job), 0);
	heap_worker_cancel(job);
	heap_worker_cancel(NULL);
}

int main(int argc, char **argv)
{
#ifdef __SANITIZE_ADDRESS__
	puts("1..0 # SKIP the sanitizer's malloc is none whose blocks can be listed");
	return 0;
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			blocks_that_nothing_refers_to_are_lost_in_the_second_look, start, stop),
		cmocka_unit_test_setup_teardown(the_same_is_suspected_without_a_stop, start, stop),
		cmocka_unit_test_setup_teardown(of_a_circle_one_block_is_lost_directly, start,
						stop),
		cmocka_unit_test_setup_teardown(a_list_is_held_by_the_variable_it_begins_in, start,
						stop),
		cmocka_unit_test_setup_teardown(a_block_is_there_as_long_as_one_of_its_size_is,
						start, stop),
		cmocka_unit_test(a_process_that_is_gone_is_told),
	};

	subject_run(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
