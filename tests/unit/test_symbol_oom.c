/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * Every allocation of ours fails once, on the way from a file to its frames. An answer must be an error or right.
 * Allocations inside libelf and libdw are out of reach: libdw ends the program when it has no memory.
 */
#include "process/symbol/symbolizer.h"

#include <errno.h>

#include "oom.h"
#include "symbol_fixture.h"

static const char source[] =
	"#include <stdlib.h>\n"
	"static inline __attribute__((always_inline)) void *inner(int n) { return malloc((size_t)n); }\n"
	"__attribute__((noinline)) void *outer(int n) { void *p = inner(n); return p ? p : inner(n + 1); }\n"
	"int main(int argc, char **argv) { (void)argv; return outer(argc) == NULL; }\n";

static uint64_t outer;

static int build(void **state)
{
	struct elf_file *file;

	if (fixture_open(state))
		return -1;
	write_text("oom.c", source);
	must("cc -O2 -g -o whole oom.c && objcopy --only-keep-debug whole oom.debug && "
	     "strip -o bare whole && objcopy --add-gnu-debuglink=oom.debug bare oom");
	file = open_fixture("whole");
	outer = address_of(file, "outer");
	elf_file_free(file);
	return 0;
}

static int ask(struct symbolizer *symbolizer, struct elf_file *file)
{
	struct symbol_module_options options = {
		.path = "/oom", .root_pid = 1, .open_in_target = open_in_fixture};
	const struct symbol_frame *frames;
	uint32_t module;
	size_t count;
	int err = symbolizer_add_module(symbolizer, file, &options, &module);

	for (uint64_t at = outer; !err && at < outer + 24; at++) {
		err = symbolizer_resolve(symbolizer, module, at, &frames, &count);
		if (err)
			break;
		/* without its debug file it knows no name; a wrong one would be worse */
		if (frames[count - 1].kind == SYMBOL_NATIVE)
			assert_string_equal(frames[count - 1].function, "outer");
	}
	if (!err)
		err = symbolizer_set_perf_map(symbolizer, 7, "10 10 x", 7);
	return err;
}

static void failing_allocation_gives_an_error_or_a_true_answer(void **state)
{
	long steps = 0;

	(void)state;
	for (long n = 1;; n++, steps++) {
		struct symbolizer *symbolizer = NULL;
		struct elf_file *file = open_fixture("oom");
		int err;

		oom_arm(n);
		err = symbolizer_new(&symbolizer);
		if (err)
			elf_file_free(file);
		else
			err = ask(symbolizer, file);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			symbolizer_free(symbolizer);
			break;
		}
		if (err)
			assert_int_equal(err, -ENOMEM);
		symbolizer_free(symbolizer);
	}
	assert_true(steps > 20);
	print_message("# %ld allocations\n", steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_allocation_gives_an_error_or_a_true_answer),
	};

	return cmocka_run_group_tests(tests, build, fixture_close);
}
