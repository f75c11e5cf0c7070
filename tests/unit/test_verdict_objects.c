/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects of a runtime by type: which series of looks are growth, a leak, or nothing. */
#include <string.h>

#include "cmocka_all.h"
#include "verdict/objects.h"
#include "verdict/verdict.h"

#define SECOND 1000000000ull
#define START  (1000 * SECOND)
#define EACH   96

static struct object_point points[SERIES_MAX_POINTS];
static struct finding finding;

/* A look each 3 s; the type's numbers at look @i. */
static bool judge(size_t looks, bool collects, void (*fill)(size_t i, struct object_point *point))
{
	struct object_type type = {points, looks, false};
	struct object_evidence evidence = {&type, 1, collects, 0};
	struct object_context context = {&evidence, START, START + 3 * looks * SECOND};

	memset(&finding, 0, sizeof(finding));
	for (size_t i = 0; i < looks; i++) {
		points[i] = (struct object_point){.time_ns = START + (3 * i + 1) * SECOND};
		fill(i, &points[i]);
		points[i].bytes = points[i].count * EACH;
	}
	return object_judge(&context, 0, &finding);
}

static void grows(size_t i, struct object_point *p)
{
	p->count = 1000 + 300 * i;
}

static void stays(size_t i, struct object_point *p)
{
	p->count = 1000 + (i * 7919) % 13;
}

static void fills(size_t i, struct object_point *p)
{
	p->count = i < 10 ? 1000 + 300 * i : 4000 + i;
}

static void loses(size_t i, struct object_point *p)
{
	p->count = 50 + 30 * i;
	p->overcounted = 30 * i;
}

static void lost_before(size_t i, struct object_point *p)
{
	(void)i;
	p->count = 500;
	p->overcounted = 400;
}

static void circles(size_t i, struct object_point *p)
{
	p->count = 50 + 30 * i;
	p->circles = 30 * i;
}

static void few_are_lost(size_t i, struct object_point *p)
{
	p->count = 50;
	p->overcounted = i > 3 ? 3 : 0;
}

static void growth_is_watched_until_it_is_firm(void **state)
{
	(void)state;
	assert_true(judge(10, true, grows));
	assert_int_equal(finding.state, VERDICT_WATCHING);
	assert_true(finding.growth_bytes_per_second > 99 * EACH &&
		    finding.growth_bytes_per_second < 101 * EACH);
	assert_true(finding.growth_low <= 100 * EACH && finding.growth_high >= 100 * EACH);
	assert_true(finding.seconds_to_firm > 200);
	assert_true(judge(110, true, grows));
	assert_int_equal(finding.state, VERDICT_GROWING);
	assert_true(finding.seconds_to_firm <= 0);
	assert_int_equal(finding.object_type, 1);
}

static void what_stays_or_fills_up_is_no_growth(void **state)
{
	(void)state;
	assert_false(judge(20, true, stays));
	assert_false(judge(2, true, grows));
	assert_true(judge(21, true, fills));
	assert_int_equal(finding.state, VERDICT_WARMING);
}

static void references_too_many_are_a_leak_once_they_become_more(void **state)
{
	(void)state;
	assert_true(judge(3, true, loses));
	assert_int_equal(finding.state, VERDICT_LOST);
	assert_true(finding.seconds_to_firm > 0);
	assert_true(judge(8, true, loses));
	assert_int_equal(finding.state, VERDICT_LEAKING);
	assert_int_equal(finding.lost_count, 210);
	assert_true(finding.confidence >= 0.95);
	assert_true(finding.seconds_to_firm <= 0);
	assert_true(judge(8, true, lost_before));
	assert_int_equal(finding.state, VERDICT_LOST);
	assert_true(finding.growth_bytes_per_second <= 0);
	assert_false(judge(8, true, few_are_lost));
}

static void circles_leak_only_where_nobody_collects_them(void **state)
{
	(void)state;
	assert_true(judge(8, false, circles));
	assert_int_equal(finding.state, VERDICT_LEAKING);
	/* Else they are growth, until the next collection. */
	assert_true(judge(8, true, circles));
	assert_int_equal(finding.state, VERDICT_WATCHING);
	assert_int_equal(finding.lost_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_is_watched_until_it_is_firm),
		cmocka_unit_test(what_stays_or_fills_up_is_no_growth),
		cmocka_unit_test(references_too_many_are_a_leak_once_they_become_more),
		cmocka_unit_test(circles_leak_only_where_nobody_collects_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
