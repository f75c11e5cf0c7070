/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "process/proc/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "oom.h"

/* From a heap block of exactly that size, so that ASan sees any read beyond. */
static int parse(const char *text, struct maps *ret)
{
	size_t size = strlen(text);
	char *copy = memcpy(malloc(size + 1), text, size);
	int err = maps_parse(copy, size, ret);

	free(copy);
	return err;
}

static const char usual[] =
	"55d0c0a00000-55d0c0a28000 r--p 00000000 fe:00 1234567                    /usr/bin/app\n"
	"55d0c0a28000-55d0c0b00000 r-xp 00028000 fe:00 1234567                    /usr/bin/app\n"
	"55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]\n"
	"7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"
	"7f0000021000-7f0004000000 ---p 00000000 00:00 0 \n"
	"7f1000000000-7f1000001000 rw-s 00003000 00:01 42                         /memfd:x (deleted)\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static void fields_of_usual_lines_are_read(void **state)
{
	struct maps maps;

	(void)state;
	assert_int_equal(parse(usual, &maps), 0);
	assert_int_equal(maps.count, 7);
	assert_int_equal(maps.items[1].start, 0x55d0c0a28000);
	assert_int_equal(maps.items[1].end, 0x55d0c0b00000);
	assert_int_equal(maps.items[1].offset, 0x28000);
	assert_int_equal(maps.items[1].inode, 1234567);
	assert_int_equal(maps.items[1].device_major, 0xfe);
	assert_int_equal(maps.items[1].prot, PROT_READ | PROT_EXEC);
	assert_false(maps.items[1].shared);
	assert_string_equal(maps.items[1].path, "/usr/bin/app");
	assert_string_equal(maps.items[2].path, "[heap]");
	assert_string_equal(maps.items[3].path, "");
	assert_int_equal(maps.items[4].prot, 0);
	assert_true(maps.items[5].shared);
	assert_true(maps.items[5].deleted);
	assert_int_equal(maps.items[5].device_minor, 1);
	assert_string_equal(maps.items[5].path, "/memfd:x");
	assert_true(maps.items[6].end == 0xffffffffff601000);
	maps_done(&maps);
	assert_int_equal(maps.count, 0);
}

static void addresses_find_their_mapping(void **state)
{
	struct maps maps;

	(void)state;
	assert_int_equal(parse(usual, &maps), 0);
	assert_null(maps_find(&maps, 0));
	assert_null(maps_find(&maps, 0x55d0c09fffff));
	assert_ptr_equal(maps_find(&maps, 0x55d0c0a00000), &maps.items[0]);
	assert_ptr_equal(maps_find(&maps, 0x55d0c0a27fff), &maps.items[0]);
	assert_ptr_equal(maps_find(&maps, 0x55d0c0a28000), &maps.items[1]);
	assert_null(maps_find(&maps, 0x55d0c0b00000));
	assert_ptr_equal(maps_find(&maps, 0xffffffffff600abc), &maps.items[6]);
	assert_null(maps_find(&maps, UINT64_MAX));
	maps_done(&maps);
}

static void names_may_hold_anything(void **state)
{
	static const char text[] =
		"1000-2000 r-xp 00000000 08:01 7 /a b\\012c/\\134 (deleted) (deleted)\n"
		"2000-3000 r-xp 00000000 08:01 7 /new\\012line\\01\n"
		"3000-4000 rw-p 00000000 00:00 0 [anon:a]b c]\n"
		"4000-5000 rw-p 00000000 00:00 0  (deleted)\n"
		"5000-6000 rw-p 00000000 00:00 0 /\xff\x01\x1b[2J";
	struct maps maps;

	(void)state;
	assert_int_equal(parse(text, &maps), 0);
	assert_int_equal(maps.count, 5);
	/* Only what the kernel appended and escaped is undone. */
	assert_string_equal(maps.items[0].path, "/a b\nc/\\134 (deleted)");
	assert_true(maps.items[0].deleted);
	assert_string_equal(maps.items[1].path, "/new\nline\\01");
	assert_string_equal(maps.items[2].path, "[anon:a]b c]");
	assert_string_equal(maps.items[3].path, "(deleted)");
	assert_string_equal(maps.items[4].path, "/\xff\x01\x1b[2J");
	maps_done(&maps);
}

static void paths_have_no_limit_of_ours(void **state)
{
	size_t len = 100000;
	char *text = malloc(len + 64), *path;
	struct maps maps;
	int head = snprintf(text, 64, "1000-2000 r-xp 00000000 08:01 7 /");

	(void)state;
	path = text + head - 1;
	memset(path + 1, 'x', len - 1);
	path[len] = '\0';
	assert_int_equal(parse(text, &maps), 0);
	assert_int_equal(strlen(maps.items[0].path), len);
	maps_done(&maps);
	free(text);
}

static void malformed_lines_are_refused(void **state)
{
	static const char *const cases[] = {
		"\n",
		"x",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 ",
		"1000-2000 rwxp",
		"1000-2000 r_xp 0 0:0 0",
		"1000-2000 rwxq 0 0:0 0",
		"1000-2000 rwxp  0 0:0 0",
		"1000-2000 rwxp 0 0 0",
		"1000-2000 rwxp 0 0:0 z",
		"1000-2000 rwxp 0 0:0 0x",
		"1000-2000 rwxp 0 0:100000000 0",
		"1000-2000 rwxp 0 0:0 18446744073709551616",
		"10000000000000000-2 rwxp 0 0:0 0",
		"2000-1000 rwxp 0 0:0 0",
		"1000-1000 rwxp 0 0:0 0",
		"1000-3000 rwxp 0 0:0 0\n2000-4000 rwxp 0 0:0 0\n", /* overlap */
		"3000-4000 rwxp 0 0:0 0\n1000-2000 rwxp 0 0:0 0\n", /* order */
		"1000-2000 rwxp 0 0:0 0\n\n2000-3000 rwxp 0 0:0 0\n",
	};
	struct maps maps = {.count = 99};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(parse(cases[i], &maps), -EINVAL);
	assert_int_equal(maps_parse("1000-2000 rwxp 0 0:0 0 a\0b\n", 27, &maps), -EINVAL);
	assert_int_equal(maps.count, 99);
	assert_int_equal(parse("", &maps), 0);
	assert_int_equal(maps.count, 0);
	assert_null(maps_find(&maps, 0));
	maps_done(&maps);
}

static void failing_allocation_leaves_the_result_untouched(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct maps maps = {.count = 99};
		int err;

		oom_arm(n);
		err = maps_parse(usual, sizeof(usual) - 1, &maps);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			maps_done(&maps);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(maps.count, 99);
	}
}

static void own_mappings_hold_what_was_mapped(void **state)
{
	char path[] = "/tmp/holdfast\nmaps-XXXXXX";
	int fd = mkstemp(path);
	size_t page = (size_t)getpagesize();
	const struct mapping *m;
	struct maps maps;
	void *mapped;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(4 * page)), 0);
	mapped = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, (off_t)(2 * page));
	assert_true(mapped != MAP_FAILED);
	unlink(path);
	assert_int_equal(maps_read(getpid(), &maps), 0);
	m = maps_find(&maps, (uintptr_t)mapped);
	assert_non_null(m);
	assert_int_equal(m->start, (uintptr_t)mapped);
	assert_int_equal(m->offset, 2 * page);
	assert_int_equal(m->prot, PROT_READ);
	assert_true(m->deleted);
	assert_string_equal(m->path, path);
	m = maps_find(&maps, (uintptr_t)own_mappings_hold_what_was_mapped);
	assert_int_equal(m->prot, PROT_READ | PROT_EXEC);
	/* not a local's address: ASan may keep those elsewhere */
	m = maps_find(&maps, (uintptr_t)__builtin_frame_address(0));
	assert_string_equal(m->path, "[stack]");
	maps_done(&maps);
	munmap(mapped, page);
	close(fd);
}

static void process_that_has_ended_is_named_so(void **state)
{
	pid_t pid = fork();
	struct maps maps;

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_int_equal(maps_read(pid, &maps), -ESRCH);
	assert_int_equal(maps_read(0, &maps), -ESRCH);
	assert_int_equal(maps_read(-1, &maps), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_usual_lines_are_read),
		cmocka_unit_test(addresses_find_their_mapping),
		cmocka_unit_test(names_may_hold_anything),
		cmocka_unit_test(paths_have_no_limit_of_ours),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(failing_allocation_leaves_the_result_untouched),
		cmocka_unit_test(own_mappings_hold_what_was_mapped),
		cmocka_unit_test(process_that_has_ended_is_named_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
