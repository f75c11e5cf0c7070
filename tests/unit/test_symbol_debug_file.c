/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Separate debug files: each way to find one, and each way in which one may not belong. */
#include "process/symbol/debug_file.h"

#include <errno.h>

#include "symbol_fixture.h"

static const char source[] =
	"static __attribute__((noinline)) int hidden(int x) { return x * 3 + 1; }\n"
	"int main(int argc, char **argv) { (void)argv; return hidden(argc); }\n";

/* The callback's root is the directory, and no file of ours is in the way: /srv is the binary's place there. */
static struct debug_file_place place_of(const char *path)
{
	return (struct debug_file_place){
		.path = path, .root_pid = 1, .open_in_target = open_in_fixture};
}

static int build(void **state)
{
	if (fixture_open(state))
		return -1;
	write_text("hidden.c", source);
	must("mkdir -p srv/.debug usr/lib/debug/srv");
	must("cc -O2 -g -Wl,--build-id=0x0123456789abcdef -o whole hidden.c && "
	     "cc -O2 -g -Wl,--build-id=0xfedcba9876543210 -o other hidden.c && "
	     "cc -O2 -g -Wl,--build-id=none -o anonymous hidden.c");
	must("for f in whole other anonymous; do objcopy --only-keep-debug $f $f.debug; done");
	must("strip -o srv/bare whole && strip -o srv/nameless anonymous");
	must("objcopy --add-gnu-debuglink=whole.debug srv/bare srv/linked && "
	     "objcopy --add-gnu-debuglink=anonymous.debug srv/nameless srv/nameless_linked");
	return 0;
}

/* The outcome with the debug file `from` put at `at`. */
static int find_with(const char *binary, const char *from, const char *at)
{
	struct elf_file *file;
	struct debug_file_place place;
	struct debug_file found = DEBUG_FILE_NONE;
	char path[64], command[512];
	int err;

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname %s)\" && cp %s %s", at, from, at);
	must(command);
	file = open_fixture(binary);
	snprintf(path, sizeof(path), "/%s", binary);
	place = place_of(path);
	err = debug_file_find(file, &place, &found);
	if (!err) {
		snprintf(path, sizeof(path), "/%s", at);
		assert_string_equal(found.path, path);
		assert_false(found.steady); /* in the target's hands */
		debug_file_done(&found);
	}
	elf_file_free(file);
	snprintf(command, sizeof(command), "rm -f %s", at);
	must(command);
	return err;
}

static void debug_file_is_found_by_build_id(void **state)
{
	const char *at = "usr/lib/debug/.build-id/01/23456789abcdef.debug";

	(void)state;
	assert_int_equal(find_with("srv/bare", "whole.debug", at), 0);
	assert_int_equal(find_with("srv/bare", "whole.debug", "srv/nowhere"), -ENOENT);
}

static void file_of_another_build_is_refused(void **state)
{
	(void)state;
	assert_int_equal(find_with("srv/bare", "other.debug",
				   "usr/lib/debug/.build-id/01/23456789abcdef.debug"),
			 -ENOENT);
	assert_int_equal(find_with("srv/linked", "other.debug", "srv/whole.debug"), -ENOENT);
	assert_int_equal(find_with("srv/bare", "hidden.c",
				   "usr/lib/debug/.build-id/01/23456789abcdef.debug"),
			 -ENOENT);
}

static void debug_link_is_followed_to_its_three_places(void **state)
{
	(void)state;
	assert_int_equal(find_with("srv/linked", "whole.debug", "srv/whole.debug"), 0);
	assert_int_equal(find_with("srv/linked", "whole.debug", "srv/.debug/whole.debug"), 0);
	assert_int_equal(find_with("srv/linked", "whole.debug", "usr/lib/debug/srv/whole.debug"),
			 0);
}

static void path_below_usr_lib_debug_needs_a_build_id(void **state)
{
	(void)state;
	assert_int_equal(find_with("srv/bare", "whole.debug", "usr/lib/debug/srv/bare.debug"), 0);
	assert_int_equal(find_with("srv/nameless", "anonymous.debug",
				   "usr/lib/debug/srv/nameless.debug"),
			 -ENOENT);
}

static void without_build_ids_the_checksum_decides(void **state)
{
	(void)state;
	assert_int_equal(find_with("srv/nameless_linked", "anonymous.debug", "srv/anonymous.debug"),
			 0);
	must("cp anonymous.debug touched.debug && printf x >>touched.debug");
	assert_int_equal(find_with("srv/nameless_linked", "touched.debug", "srv/anonymous.debug"),
			 -ENOENT);
}

static void directory_fifo_and_missing_root_are_no_debug_files(void **state)
{
	struct elf_file *file = open_fixture("srv/linked");
	struct debug_file_place place = place_of("/srv/linked");
	struct debug_file found = DEBUG_FILE_NONE;

	(void)state;
	must("mkdir srv/whole.debug");
	assert_int_equal(debug_file_find(file, &place, &found), -ENOENT);
	must("rmdir srv/whole.debug");
	/* a pid but nobody who opens; a path that is none */
	place.open_in_target = NULL;
	assert_int_equal(debug_file_find(file, &place, &found), -ENOENT);
	place = place_of("[vdso]");
	assert_int_equal(debug_file_find(file, &place, &found), -ENOENT);
	place = place_of(NULL);
	assert_int_equal(debug_file_find(file, &place, &found), -ENOENT);
	elf_file_free(file);
}

/* In our own root a FIFO must not block, and a file that only root writes may be mapped. */
static void own_root_is_searched_first_and_never_blocks(void **state)
{
	struct elf_file *file = open_fixture("srv/linked");
	struct debug_file found = DEBUG_FILE_NONE;
	struct debug_file_place place;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/srv/linked", fixture_directory);
	place = (struct debug_file_place){.path = path};
	must("mkfifo srv/whole.debug && cp whole.debug srv/.debug/whole.debug && "
	     "chmod 644 srv/.debug/whole.debug");
	assert_int_equal(debug_file_find(file, &place, &found), 0);
	assert_int_equal(found.steady, geteuid() == 0);
	debug_file_done(&found);
	must("chmod 666 srv/.debug/whole.debug");
	assert_int_equal(debug_file_find(file, &place, &found), 0);
	assert_false(found.steady);
	debug_file_done(&found);
	must("rm srv/whole.debug srv/.debug/whole.debug");
	elf_file_free(file);
}

/* A link is a name, not a way. */
static void debug_link_with_a_slash_is_refused(void **state)
{
	(void)state;
	must("sed 's/whole\\.debug/ab\\/le.debug/' srv/linked >srv/sly && mkdir -p srv/ab");
	must("grep -q ab/le.debug srv/sly");
	assert_int_equal(find_with("srv/sly", "whole.debug", "srv/ab/le.debug"), -ENOENT);
}

static void supplementary_file_is_found_by_build_id_or_beside(void **state)
{
	struct debug_file_place place = place_of("/srv/multi");
	struct debug_file found = DEBUG_FILE_NONE;
	struct elf_file *file;

	(void)state;
	must("{ printf '../common.dwz\\0'; printf '\\376\\334\\272\\230\\166\\124\\062\\020'; } >alt && "
	     "objcopy --add-section .gnu_debugaltlink=alt whole srv/multi");
	file = open_fixture("srv/multi");
	assert_int_equal(debug_file_find_supplementary(file, &place, &found), -ENOENT);
	must("cp whole.debug common.dwz"); /* another build id */
	assert_int_equal(debug_file_find_supplementary(file, &place, &found), -ENOENT);
	/* relocatable, as dwz writes it */
	must("cc -c -g -o hidden.o hidden.c && "
	     "ld -r --build-id=0xfedcba9876543210 -o common.dwz hidden.o");
	assert_int_equal(debug_file_find_supplementary(file, &place, &found), 0);
	debug_file_done(&found);
	must("rm common.dwz && mkdir -p usr/lib/debug/.build-id/fe && "
	     "cp other.debug usr/lib/debug/.build-id/fe/dcba9876543210.debug");
	assert_int_equal(debug_file_find_supplementary(file, &place, &found), 0);
	debug_file_done(&found);
	elf_file_free(file);
	file = open_fixture("whole");
	assert_int_equal(debug_file_find_supplementary(file, &place, &found), -ENOENT);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(debug_file_is_found_by_build_id),
		cmocka_unit_test(file_of_another_build_is_refused),
		cmocka_unit_test(debug_link_is_followed_to_its_three_places),
		cmocka_unit_test(path_below_usr_lib_debug_needs_a_build_id),
		cmocka_unit_test(without_build_ids_the_checksum_decides),
		cmocka_unit_test(directory_fifo_and_missing_root_are_no_debug_files),
		cmocka_unit_test(own_root_is_searched_first_and_never_blocks),
		cmocka_unit_test(debug_link_with_a_slash_is_refused),
		cmocka_unit_test(supplementary_file_is_found_by_build_id_or_beside),
	};

	return cmocka_run_group_tests(tests, build, fixture_close);
}
