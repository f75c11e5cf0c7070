/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of a recording: written once each, read back as they were, and refused where they make no sense. */
#include "session/name_table.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

#define DEPTH 3

static const uint64_t pcs[DEPTH] = {0x1000, 0x2000, 0x3000};

static const struct stack_trace trace = {.hash = 42, .pid = 7, .depth = DEPTH, .pcs = pcs};

/* Two frames, the first inlined, at pc 1; one at the others. */
static int resolve(void *user, const struct stack_trace *of, unsigned int index,
		   struct report_frame *ret_frames, size_t *ret_count)
{
	static const struct report_frame inlined = {"inner", "a.c", "/bin/a",     "00ff",
						    0x2000,  5,     FRAME_INLINED};
	static const struct report_frame outer = {"outer", "a.c", "/bin/a",    "00ff",
						  0x2000,  9,     FRAME_NATIVE};

	(void)of;
	++*(int *)user;
	*ret_count = index == 1 ? 2 : 1;
	ret_frames[0] = index == 1 ? inlined : outer;
	ret_frames[1] = outer;
	return 0;
}

static struct name_table *table_of(const struct name_writer *writer)
{
	struct name_table *table;

	assert_int_equal(name_table_new(1 << 20, &table), 0);
	assert_int_equal(name_table_take(table, writer->block.buf, writer->block.len), 0);
	return table;
}

static void names_come_back_as_they_were(void **state)
{
	struct report_frame frames[REPORT_MAX_INLINED];
	struct name_writer writer;
	struct name_table *table;
	int calls = 0;

	(void)state;
	name_writer_init(&writer, resolve, &calls);
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	table = table_of(&writer);
	assert_int_equal(name_table_frames(table, &trace, 0, false, frames), 1);
	assert_int_equal(name_table_frames(table, &trace, 1, false, frames), 2);
	assert_string_equal(frames[0].function, "inner");
	assert_int_equal(frames[0].kind, FRAME_INLINED);
	assert_int_equal(frames[0].line, 5);
	assert_string_equal(frames[1].function, "outer");
	assert_string_equal(frames[1].file, "a.c");
	assert_string_equal(frames[1].module, "/bin/a");
	assert_string_equal(frames[1].build_id, "00ff");
	assert_true(frames[1].address == 0x2000);
	name_table_free(table);
	name_writer_done(&writer);
}

static void a_stack_is_written_once_and_a_frame_too(void **state)
{
	struct name_writer writer;
	int calls = 0;
	size_t once;

	(void)state;
	name_writer_init(&writer, resolve, &calls);
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	assert_int_equal(writer.frame_count, 2);
	once = writer.block.len;
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	assert_int_equal(name_writer_add(&writer, NULL, false), 0);
	assert_int_equal(writer.block.len, once);
	assert_int_equal(calls, DEPTH);
	/* the same frames, as a page fault's */
	assert_int_equal(name_writer_add(&writer, &trace, true), 0);
	assert_int_equal(writer.frame_count, 2);
	assert_true(writer.block.len > once);
	name_writer_done(&writer);
}

static void a_stack_without_its_first_frames_has_the_names_of_the_others(void **state)
{
	const struct stack_trace cut = {
		.hash = trace.hash, .pid = 7, .depth = DEPTH - 1, .pcs = pcs + 1};
	struct report_frame frames[REPORT_MAX_INLINED];
	struct name_writer writer;
	struct name_table *table;
	int calls = 0;

	(void)state;
	name_writer_init(&writer, resolve, &calls);
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	table = table_of(&writer);
	assert_int_equal(name_table_frames(table, &cut, 0, false, frames), 2);
	name_table_free(table);
	name_writer_done(&writer);
}

static void what_is_not_in_the_recording_has_no_names(void **state)
{
	const struct stack_trace other = {.hash = 43, .pid = 7, .depth = DEPTH, .pcs = pcs};
	struct report_frame frames[REPORT_MAX_INLINED];
	struct name_writer writer;
	struct name_table *table;
	int calls = 0;

	(void)state;
	name_writer_init(&writer, resolve, &calls);
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	table = table_of(&writer);
	assert_int_equal(name_table_frames(table, &other, 0, false, frames), 0);
	assert_int_equal(name_table_frames(table, &trace, 0, true, frames), 0);
	name_table_free(table);
	name_writer_done(&writer);
}

static void cut_anywhere_or_changed_it_is_refused_or_harmless(void **state)
{
	struct name_writer writer;
	int calls = 0;

	(void)state;
	name_writer_init(&writer, resolve, &calls);
	assert_int_equal(name_writer_add(&writer, &trace, false), 0);
	for (size_t size = 0; size < writer.block.len; size++) {
		struct name_table *table;
		int err;

		assert_int_equal(name_table_new(1 << 20, &table), 0);
		err = name_table_take(table, writer.block.buf, size);
		assert_true(err == 0 || err == -EILSEQ);
		name_table_free(table);
		assert_int_equal(name_table_new(1 << 20, &table), 0);
		writer.block.buf[size] ^= 0x40;
		err = name_table_take(table, writer.block.buf, writer.block.len);
		assert_true(err == 0 || err == -EILSEQ);
		writer.block.buf[size] ^= 0x40;
		name_table_free(table);
	}
	name_writer_done(&writer);
}

static void a_stack_of_frames_that_were_not_told_is_refused(void **state)
{
	static const char block[] = "S"
				    "\1\0\0\0\0\0\0\0"
				    "\0"
				    "\1\0"
				    "\1\0\0\0\0";
	struct name_table *table;

	(void)state;
	assert_int_equal(name_table_new(1 << 20, &table), 0);
	assert_int_equal(name_table_take(table, block, sizeof(block) - 1), -EILSEQ);
	name_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_back_as_they_were),
		cmocka_unit_test(a_stack_is_written_once_and_a_frame_too),
		cmocka_unit_test(a_stack_without_its_first_frames_has_the_names_of_the_others),
		cmocka_unit_test(what_is_not_in_the_recording_has_no_names),
		cmocka_unit_test(cut_anywhere_or_changed_it_is_refused_or_harmless),
		cmocka_unit_test(a_stack_of_frames_that_were_not_told_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
