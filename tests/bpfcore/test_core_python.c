/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's walk along frames of Python, on the host: threads made by hand in each version's layout. That the layouts are
 * those of real interpreters is what tests/e2e/python.bats looks at.
 */
#include <stdlib.h>
#include <string.h>

#include "bpfcore/python_host.h"
#include "cmocka_all.h"
#include "process/python/layout.h"

#define BASE  0x7f0000000000ull
#define WORDS 8192

static uint64_t memory[WORDS];

static void put(uint64_t address, uint64_t word)
{
	memory[(address - BASE) / 8] = word;
}

static void put_byte(uint64_t address, uint8_t byte)
{
	((uint8_t *)memory)[address - BASE] = byte;
}

static int start(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	host_python = (struct host_python){(const uint8_t *)memory, BASE, sizeof(memory)};
	return 0;
}

/* Frame @number calls from its unit @number the one before it. */
#define THREAD    BASE
#define CFRAME(n) (BASE + 0x400 + (n)*64)
#define FRAME(n)  (BASE + 0x1000 + (n)*128)
#define CODE(n)   (BASE + 0x800 + (n)*8)
#define WORD(n)   (HF_PYTHON_FRAME | (CODE(n) >> 3) << HF_PYTHON_UNIT_BITS | (n))

static void make_frame(const struct hf_python *py, unsigned int n, uint64_t caller)
{
	put(FRAME(n) + py->frame_code, CODE(n));
	put(CODE(n) + HF_PYTHON_CODE_FROM + py->code_name, 7 + n);
	put(FRAME(n) + py->frame_previous, caller);
	put(FRAME(n) + py->frame_instruction, CODE(n) + py->code_units + 2 * n);
}

static const struct hf_python *layout_of(unsigned int minor)
{
	return &python_layout_find(3u << 24 | minor << 16)->frames;
}

static void entry_flags_and_cframes_tell_runs(void **state)
{
	const struct hf_python *py = layout_of(11);
	struct host_walk w;

	(void)state;
	for (unsigned int n = 0; n < 4; n++)
		make_frame(py, n, n < 3 ? FRAME(n + 1) : 0);
	put_byte(FRAME(1) + py->frame_mark, 1);
	put_byte(FRAME(3) + py->frame_mark, 1);
	put(THREAD + py->thread_frame, CFRAME(0));
	put(CFRAME(0) + py->cframe_frame, FRAME(0));
	put(CFRAME(0) + py->cframe_previous, CFRAME(1));
	host_python_walk(&w, py, THREAD);
	assert_int_equal(w.count, 4);
	assert_int_equal(w.words[0], WORD(0));
	assert_int_equal(w.words[2], WORD(1) | HF_PYTHON_LAST);
	assert_int_equal(w.words[4], WORD(2));
	assert_int_equal(w.words[6], WORD(3) | HF_PYTHON_LAST);
	assert_int_equal(w.walk.run_count, 2);
	assert_int_equal(w.walk.runs[0], CFRAME(0));
	assert_int_equal(w.walk.runs[1], CFRAME(1));
	assert_false(w.walk.truncated);
}

static void frames_without_code_end_runs(void **state)
{
	static const unsigned int minors[] = {12, 13};

	for (size_t i = 0; i < 2; i++) {
		const struct hf_python *py = layout_of(minors[i]);
		struct host_walk w;

		start(state);
		/* 0 and 1 in a loop whose entry is 2; 3 in one whose entry is 4. */
		for (unsigned int n = 0; n < 5; n++)
			make_frame(py, n, n < 4 ? FRAME(n + 1) : 0);
		put_byte(FRAME(2) + py->frame_mark, py->mark);
		put_byte(FRAME(4) + py->frame_mark, py->mark);
		put(THREAD + py->thread_frame, py->has_cframe ? CFRAME(0) : FRAME(0));
		put(CFRAME(0) + py->cframe_frame, py->has_cframe ? FRAME(0) : 0);
		host_python_walk(&w, py, THREAD);
		assert_int_equal(w.count, 3);
		assert_int_equal(w.words[2], WORD(1) | HF_PYTHON_LAST);
		assert_int_equal(w.words[4], WORD(3) | HF_PYTHON_LAST);
		assert_int_equal(w.walk.runs[0], FRAME(2));
		assert_int_equal(w.walk.runs[1], FRAME(4));
	}
}

static void a_ring_of_frames_ends(void **state)
{
	const struct hf_python *py = layout_of(13);
	struct host_walk w;

	(void)state;
	make_frame(py, 0, FRAME(1));
	make_frame(py, 1, FRAME(0));
	put(THREAD + py->thread_frame, FRAME(0));
	host_python_walk(&w, py, THREAD);
	assert_int_equal(w.count, HF_MAX_PYTHON_FRAMES);
	assert_true(w.walk.truncated);
	/* Of those without code, too. */
	put_byte(FRAME(0) + py->frame_mark, py->mark);
	put_byte(FRAME(1) + py->frame_mark, py->mark);
	host_python_walk(&w, py, THREAD);
	assert_int_equal(w.count, 0);
	assert_true(w.walk.truncated);
}

static void what_can_not_be_read_ends_the_walk(void **state)
{
	const struct hf_python *py = layout_of(13);
	struct host_walk w;

	(void)state;
	make_frame(py, 0, 0xdead0000);
	put(THREAD + py->thread_frame, FRAME(0));
	host_python_walk(&w, py, THREAD);
	assert_int_equal(w.count, 1);
	assert_true(w.walk.truncated);
	host_python_walk(&w, py, 0xdead0000);
	assert_int_equal(w.count, 0);
}

static void an_instruction_before_the_first_has_no_number(void **state)
{
	const struct hf_python *py = layout_of(11);
	struct host_walk w;

	(void)state;
	make_frame(py, 0, 0);
	put(FRAME(0) + py->frame_instruction, CODE(0) + py->code_units - 2);
	put(THREAD + py->thread_frame, CFRAME(0));
	put(CFRAME(0) + py->cframe_frame, FRAME(0));
	host_python_walk(&w, py, THREAD);
	assert_int_equal(w.count, 1);
	assert_int_equal(hf_python_unit(w.words[0]), HF_PYTHON_NO_UNIT);
}

static void loops_are_told_by_their_frames_place(void **state)
{
	struct hf_python_walk w = {.run_count = 2, .runs = {0x1100, 0x1300}};

	(void)state;
	assert_false(hf_python_is_loop(&w, 0x1000, 0x1100));
	assert_true(hf_python_is_loop(&w, 0x1100, 0x1200));
	assert_false(hf_python_is_loop(&w, 0x1200, 0x1300));
	/* The stack's other end: a signal's frame. */
	assert_false(hf_python_is_loop(&w, 0x1400, 0x1200));
	assert_true(hf_python_is_loop(&w, 0x1200, 0x1301));
	assert_false(hf_python_is_loop(&w, 0x1301, 0x9000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(entry_flags_and_cframes_tell_runs, start),
		cmocka_unit_test_setup(frames_without_code_end_runs, start),
		cmocka_unit_test_setup(a_ring_of_frames_ends, start),
		cmocka_unit_test_setup(what_can_not_be_read_ends_the_walk, start),
		cmocka_unit_test_setup(an_instruction_before_the_first_has_no_number, start),
		cmocka_unit_test_setup(loops_are_told_by_their_frames_place, start),
	};

	return cmocka_run_group_tests_name("core_python", tests, NULL, NULL);
}
