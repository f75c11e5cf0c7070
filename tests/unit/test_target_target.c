// SPDX-License-Identifier: GPL-2.0-or-later
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/target/target.h"

/* This process is the target: its own code is what can be mapped. */
struct fixture {
	struct module_set *modules;
	struct target *target;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	fixture = (struct fixture){NULL, NULL};
	assert_int_equal(module_set_new(&fixture.modules), 0);
	assert_int_equal(target_new(fixture.modules, getpid(), 1000, &fixture.target, &error), 0);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	target_free(f->target);
	module_set_free(f->modules);
	return 0;
}

/* The file that @address is mapped from, as an event tells of it, at a place where nothing is. */
static struct target_code code_of(const struct fixture *f, const void *address, uint64_t time_ns)
{
	const struct target_mapping *m =
		target_find(f->target, (uintptr_t)address, f->target->looked_ns);

	assert_non_null(m);
	return (struct target_code){
		.start = 0x10000000000,
		.size_bytes = m->end - m->start - 1,
		.offset = m->offset,
		.inode = m->module->inode,
		.device_major = m->module->device_major,
		.device_minor = m->module->device_minor,
		.time_ns = time_ns,
	};
}

static const char *path_at(const struct fixture *f, uint64_t pc, uint64_t time_ns)
{
	const struct target_mapping *m = target_find(f->target, pc, time_ns);

	return m ? m->module->path : "";
}

static void copy_own_program(int to)
{
	char bytes[4096];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(from >= 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(to, bytes, (size_t)n), n);
	close(from);
}

static void code_there_at_the_first_look_was_always_there(void **state)
{
	const struct fixture *f = *state;

	assert_string_not_equal(path_at(f, (uintptr_t)set_up, 1), "");
	assert_string_equal(path_at(f, 0x10000000000, 1), "");
}

static void two_files_in_turn_at_one_place_are_told_apart_by_time(void **state)
{
	const struct fixture *f = *state;
	struct target_code one = code_of(f, (const void *)set_up, 2000);
	struct target_code two = code_of(f, (const void *)strlen, 3000);

	for (int i = 0; i < 4; i++) {
		assert_int_equal(target_note_code(f->target, f->modules, &one), 0);
		assert_int_equal(target_note_code(f->target, f->modules, &two), 0);
		one.time_ns += 2000;
		two.time_ns += 2000;
	}
	for (uint64_t t = 2000; t < 10000; t += 1000) {
		const char *expected =
			path_at(f, t % 2000 ? (uintptr_t)strlen : (uintptr_t)set_up, 1);

		assert_string_equal(path_at(f, one.start, t), expected);
		assert_string_equal(path_at(f, one.start, t + 999), expected);
	}
	assert_string_equal(path_at(f, one.start, 1999), "");
}

static void one_file_over_and_over_at_one_place_is_one_mapping(void **state)
{
	const struct fixture *f = *state;
	struct target_code code = code_of(f, (const void *)set_up, 2000);
	size_t before = f->target->mapping_count;
	struct target_change change;

	for (int i = 0; i < 100; i++, code.time_ns += 1000) {
		assert_int_equal(target_note_code(f->target, f->modules, &code), 0);
		assert_int_equal(target_refresh(f->target, f->modules, &change), 0);
	}
	assert_int_equal(f->target->mapping_count, before + 1);
	assert_string_not_equal(path_at(f, code.start, 50000), "");
}

static void code_that_is_gone_is_kept_up_to_a_bound(void **state)
{
	const struct fixture *f = *state;
	struct target_code one = code_of(f, (const void *)set_up, 2000);
	struct target_code two = code_of(f, (const void *)strlen, 3000);
	size_t before = f->target->mapping_count;

	for (int i = 0; i < 5000; i++, one.time_ns += 2000, two.time_ns += 2000) {
		assert_int_equal(target_note_code(f->target, f->modules, &one), 0);
		assert_int_equal(target_note_code(f->target, f->modules, &two), 0);
	}
	assert_int_equal(f->target->mapping_count, 8192);
	assert_int_equal(f->target->forgotten, 10000 + before - 8192);
	assert_string_equal(path_at(f, one.start, 2500), "");
	assert_string_not_equal(path_at(f, one.start, two.time_ns - 1500), "");
	assert_string_not_equal(path_at(f, (uintptr_t)set_up, 1), "");
}

static void a_look_at_the_maps_ends_what_is_gone(void **state)
{
	const struct fixture *f = *state;
	struct target_code code = code_of(f, (const void *)set_up, 2000);
	struct target_change change;
	uint64_t began_ns;

	assert_int_equal(target_note_code(f->target, f->modules, &code), 0);
	began_ns = clock_now_ns();
	assert_int_equal(target_refresh(f->target, f->modules, &change), 0);
	assert_true(change.removed);
	/* It may have been there while the maps were being read. */
	assert_string_not_equal(path_at(f, code.start, began_ns), "");
	assert_string_equal(path_at(f, code.start, clock_now_ns()), "");
}

static void an_event_read_after_the_look_tells_when_code_came(void **state)
{
	const struct fixture *f = *state;
	struct target_code code;
	struct target_change change;
	const struct target_mapping *m;
	uint64_t looked_ns;
	void *library = dlopen("libthread_db.so.1", RTLD_LAZY);
	const void *function = library ? dlsym(library, "td_init") : NULL;

	if (!function)
		skip();
	looked_ns = f->target->looked_ns;
	assert_int_equal(target_refresh(f->target, f->modules, &change), 0);
	assert_true(change.added);
	assert_string_not_equal(path_at(f, (uintptr_t)function, looked_ns), ""); /* a guess */
	code = code_of(f, function, clock_now_ns());
	m = target_find(f->target, (uintptr_t)function, code.time_ns);
	code.start = m->start;
	assert_int_equal(target_note_code(f->target, f->modules, &code), 0);
	assert_string_equal(path_at(f, (uintptr_t)function, code.time_ns - 1), "");
	assert_string_not_equal(path_at(f, (uintptr_t)function, code.time_ns), "");
	dlclose(library);
}

static void a_file_gone_before_it_was_read_gets_no_other_ones_name(void **state)
{
	const struct fixture *f = *state;
	struct target_code known = code_of(f, (const void *)set_up, 2000);
	struct target_code unknown = {.start = known.start,
				      .size_bytes = 4096,
				      .inode = known.inode + 1,
				      .device_major = 250,
				      .time_ns = 3000};
	const struct target_mapping *m;

	assert_int_equal(target_note_code(f->target, f->modules, &known), 0);
	assert_int_equal(target_note_code(f->target, f->modules, &unknown), -2 /* ENOENT */);
	assert_int_equal(target_note_missed(f->target, f->modules, &unknown), 0);
	known.time_ns = 4000;
	assert_int_equal(target_note_code(f->target, f->modules, &known), 0);
	m = target_find(f->target, known.start, 3500);
	assert_true(m->module->missed);
	assert_null(m->module->elf);
	assert_false(target_find(f->target, known.start, 2500)->module->missed);
	assert_false(target_find(f->target, known.start, 4000)->module->missed);
}

static void a_missed_file_is_found_where_it_lies(void **state)
{
	const struct fixture *f = *state;
	char path[] = "/tmp/hf-missed-XXXXXX";
	int fd = mkstemp(path);
	struct stat stat;
	struct target_code code = {.start = 0x10000000000, .size_bytes = 4096, .time_ns = 3000};
	struct mapping file = {.path = path};
	const struct target_mapping *m;

	assert_true(fd >= 0);
	copy_own_program(fd);
	assert_int_equal(fstat(fd, &stat), 0);
	file.inode = code.inode = stat.st_ino;
	assert_int_equal(target_note_missed(f->target, f->modules, &code), 0);
	m = target_find(f->target, code.start, 3000);
	file.inode++;
	assert_int_equal(target_find_missed(f->target, f->modules, &file), 0); /* no such one */
	assert_true(m->module->missed);
	file.inode--;
	assert_int_equal(target_find_missed(f->target, f->modules, &file), 0);
	assert_false(m->module->missed);
	assert_non_null(m->module->elf);
	assert_string_equal(m->module->path, path);
	unlink(path);
	close(fd);
}

static void another_file_at_a_missed_ones_place_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct target_code code = {
		.start = 0x10000000000, .size_bytes = 4096, .inode = 1ull << 60, .time_ns = 3000};
	struct mapping file = {.path = "/bin/sh", .inode = code.inode};

	assert_int_equal(target_note_missed(f->target, f->modules, &code), 0);
	assert_int_equal(target_find_missed(f->target, f->modules, &file), -ESTALE);
	assert_true(target_find(f->target, code.start, 3000)->module->missed);
}

static void an_exec_ends_all_code(void **state)
{
	const struct fixture *f = *state;
	struct target_change change;

	target_execed(f->target, 7000);
	assert_string_equal(path_at(f, (uintptr_t)set_up, 7000), "");
	assert_int_equal(target_refresh(f->target, f->modules, &change), 0);
	assert_string_not_equal(path_at(f, (uintptr_t)set_up, 7000), "");
	assert_string_not_equal(path_at(f, (uintptr_t)set_up, 6999), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(code_there_at_the_first_look_was_always_there),
		TEST(two_files_in_turn_at_one_place_are_told_apart_by_time),
		TEST(one_file_over_and_over_at_one_place_is_one_mapping),
		TEST(code_that_is_gone_is_kept_up_to_a_bound),
		TEST(a_look_at_the_maps_ends_what_is_gone),
		TEST(an_event_read_after_the_look_tells_when_code_came),
		TEST(a_file_gone_before_it_was_read_gets_no_other_ones_name),
		TEST(a_missed_file_is_found_where_it_lies),
		TEST(another_file_at_a_missed_ones_place_is_refused),
		TEST(an_exec_ends_all_code),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
