/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of binaries that are built here and taken apart. The DWARF side is judged by addr2line elsewhere. */
#include "process/symbol/symbolizer.h"

#include <errno.h>

#include "symbol_fixture.h"

/*
 * Lines count: `deepest` is inlined into `middle`, which is inlined into `outer`. Line 4 allocates.
 */
static const char source[] =
	"#include <stdlib.h>\n"
	"static inline __attribute__((always_inline)) void *deepest(int n)\n"
	"{\n"
	"	return malloc((size_t)n + 1);\n"
	"}\n"
	"static inline __attribute__((always_inline)) void *middle(int n)\n"
	"{\n"
	"	void *p = deepest(n);\n"
	"	return p ? p : deepest(n + 1);\n"
	"}\n"
	"__attribute__((noinline)) void *outer(int n)\n"
	"{\n"
	"	return middle(n);\n"
	"}\n"
	"void *alias_of_outer(int n) __attribute__((alias(\"outer\")));\n"
	"static __attribute__((noinline)) int hidden(int n)\n"
	"{\n"
	"	return n * 3;\n"
	"}\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"	(void)argv;\n"
	"	return outer(argc) == NULL ? hidden(argc) : hidden(argc + 1);\n"
	"}\n";

static struct symbolizer *symbolizer;

static int build(void **state)
{
	if (fixture_open(state))
		return -1;
	write_text("frames.c", source);
	must("cc -O2 -g -Wl,--build-id=0x0123456789abcdef -o whole frames.c");
	must("objcopy --only-keep-debug whole frames.debug && strip -o bare whole && "
	     "objcopy --add-gnu-debuglink=frames.debug bare linked");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return symbolizer_new(&symbolizer);
}

static int tear_down(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	return 0;
}

static uint32_t add_at(const char *name, const char *path)
{
	struct symbol_module_options options = {
		.path = path, .root_pid = 1, .open_in_target = open_in_fixture};
	uint32_t number = UINT32_MAX;

	assert_int_equal(symbolizer_add_module(symbolizer, open_fixture(name), &options, &number),
			 0);
	return number;
}

static uint32_t add(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/%s", name);
	return add_at(name, path);
}

static const struct symbol_frame *resolve(uint32_t module, uint64_t address, size_t *ret_count)
{
	const struct symbol_frame *frames = NULL;

	assert_int_equal(symbolizer_resolve(symbolizer, module, address, &frames, ret_count), 0);
	assert_true(*ret_count >= 1);
	return frames;
}

static struct symbol_frame only_frame(uint32_t module, uint64_t address)
{
	size_t count;
	const struct symbol_frame *frames = resolve(module, address, &count);

	assert_int_equal(count, 1);
	return frames[0];
}

static uint64_t symbol_address(const char *binary, const char *symbol)
{
	struct elf_file *file = open_fixture(binary);
	uint64_t address = address_of(file, symbol);

	elf_file_free(file);
	return address;
}

/* The first address in `outer` with three frames. */
static const struct symbol_frame *find_inlined(uint32_t module, uint64_t outer)
{
	size_t count;

	for (uint64_t at = outer; at < outer + 64; at++) {
		const struct symbol_frame *frames = resolve(module, at, &count);

		if (count == 3 && frames[0].line == 4)
			return frames;
	}
	fail_msg("nothing is inlined in outer");
	return NULL;
}

static void assert_inlined_chain(const struct symbol_frame *frames)
{
	static const char *const functions[] = {"deepest", "middle", "outer"};
	static const unsigned lines[] = {4, 8, 13};

	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(frames[i].function, functions[i]);
		assert_int_equal(frames[i].line, lines[i]);
		assert_int_equal(frames[i].kind, i < 2 ? SYMBOL_INLINED : SYMBOL_NATIVE);
		assert_non_null(strstr(frames[i].file, "/frames.c"));
		assert_int_equal(frames[i].file[0], '/');
	}
	assert_true(frames[0].offset == 0 && frames[1].offset == 0);
}

static void inlined_frames_carry_the_lines_of_their_calls(void **state)
{
	(void)state;
	assert_inlined_chain(find_inlined(add("whole"), symbol_address("whole", "outer")));
}

static void stripped_binary_gets_the_same_frames_from_its_debug_file(void **state)
{
	uint64_t outer = symbol_address("whole", "outer"),
		 hidden = symbol_address("whole", "hidden");
	uint32_t module = add("linked");
	struct symbolizer_counts counts;
	struct symbol_frame frame;

	(void)state;
	assert_inlined_chain(find_inlined(module, outer));
	frame = only_frame(module, hidden);
	assert_string_equal(frame.function, "hidden");
	assert_int_equal(frame.line, 18);
	symbolizer_counts(symbolizer, &counts);
	assert_int_equal(counts.modules_with_symbols, 1);
	assert_int_equal(counts.modules_with_debug, 1);
}

static void names_are_the_same_without_lines(void **state)
{
	uint64_t outer = symbol_address("whole", "outer"),
		 hidden = symbol_address("whole", "hidden");
	struct symbol_frame frame;
	uint32_t module;

	(void)state;
	must("strip --strip-debug -o symbols whole");
	module = add("symbols");
	frame = only_frame(module, hidden + 1);
	assert_string_equal(frame.function, "hidden");
	assert_true(frame.offset == 1);
	assert_int_equal(frame.kind, SYMBOL_NATIVE);
	assert_int_equal(frame.line, 0);
	assert_string_equal(frame.file, "");
	assert_string_equal(only_frame(module, outer).function, "outer");
}

static void stripped_binary_without_debug_file_knows_nothing_and_says_so(void **state)
{
	uint64_t hidden = symbol_address("whole", "hidden");
	struct symbolizer_counts counts;
	struct symbol_frame frame = only_frame(add("bare"), hidden);

	(void)state;
	assert_string_equal(frame.function, "");
	assert_string_equal(frame.file, "");
	assert_int_equal(frame.kind, SYMBOL_UNKNOWN);
	symbolizer_counts(symbolizer, &counts);
	assert_int_equal(counts.addresses, 1);
	assert_int_equal(counts.named, 0);
	assert_int_equal(counts.with_line, 0);
	assert_int_equal(counts.modules_with_debug, 0);
}

static void minidebuginfo_names_local_functions(void **state)
{
	uint64_t hidden = symbol_address("whole", "hidden");

	(void)state;
	need_program("xz");
	must("objcopy --strip-debug frames.debug mini && xz -k -f mini && "
	     "objcopy --add-section .gnu_debugdata=mini.xz bare with_mini");
	assert_string_equal(only_frame(add("with_mini"), hidden).function, "hidden");
}

static void plt_stub_is_named_after_its_target(void **state)
{
	static const char *const flags[] = {
		"",        "-fcf-protection=full", "-fcf-protection=none",
		"-no-pie", "-Wl,-z,now",           "-fuse-ld=lld"};
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		char command[256], line[128], name[16];
		unsigned long long address;
		size_t stubs = 0;
		FILE *pipe;
		uint32_t module;

		snprintf(name, sizeof(name), "plt%zu", i);
		snprintf(command, sizeof(command), "cc -O1 -s %s -o %s frames.c", flags[i], name);
		if (shell(command))
			continue;
		tried++;
		module = add(name);
		snprintf(command, sizeof(command), "objdump -d '%s/%s'", fixture_directory, name);
		pipe = popen(command, "r");
		assert_non_null(pipe);
		/* objdump's own idea of where the stub is: "0000000000001030 <malloc@plt>:" */
		while (fgets(line, sizeof(line), pipe)) {
			if (sscanf(line, "%llx <malloc@plt", &address) != 1 || !strchr(line, '>') ||
			    !strstr(line, "<malloc@plt>:"))
				continue;
			assert_string_equal(only_frame(module, address).function, "malloc@plt");
			assert_string_equal(only_frame(module, address + 5).function, "malloc@plt");
			stubs++;
		}
		pclose(pipe);
		assert_true(stubs > 0);
	}
	assert_true(tried >= 4);
}

static void best_of_several_symbols_at_one_address_is_shown(void **state)
{
	struct symbol_frame frame;
	uint32_t module;

	(void)state;
	write_text("names.s",
		   ".text\n"
		   ".globl visible\n.weak feeble\n.type visible,@function\n.type feeble,@function\n"
		   ".type local,@function\n.type __visible,@function\n.globl __visible\n"
		   "local:\nfeeble:\n__visible:\nvisible:\n nop\n nop\nlabel:\n nop\n"
		   ".size visible,3\n.size local,3\n.size feeble,3\n.size __visible,3\n"
		   ".globl unsized\nunsized:\n nop\n nop\n"
		   ".type last,@function\nlast:\n nop\n.size last,1\n nop\n");
	must("cc -c -o names.o names.s && ld -shared -o names.so names.o");
	module = add("names.so");
	frame = only_frame(module, symbol_address("names.so", "visible") + 2);
	assert_string_equal(frame.function, "visible"); /* and not the label that stands there */
	assert_true(frame.offset == 2);
	frame = only_frame(module, symbol_address("names.so", "unsized") + 1);
	assert_string_equal(frame.function, "unsized");
	assert_string_equal(only_frame(module, symbol_address("names.so", "last")).function,
			    "last");
	/* behind a sized function's end there is nobody */
	assert_string_equal(only_frame(module, symbol_address("names.so", "last") + 1).function,
			    "");
}

static void version_and_cold_part_are_no_part_of_the_name(void **state)
{
	uint32_t module;

	(void)state;
	write_text("version.s",
		   ".text\n.globl impl\n.type impl,@function\nimpl:\n nop\n.size impl,1\n"
		   ".symver impl,api@@V_1.2,remove\n"
		   ".type f.cold,@function\nf.cold:\n nop\n.size f.cold,1\n"
		   ".type g.cold.7,@function\ng.cold.7:\n nop\n.size g.cold.7,1\n"
		   ".type _Z1hi.cold,@function\n_Z1hi.cold:\n nop\n.size _Z1hi.cold,1\n"
		   ".type h.part.0,@function\nh.part.0:\n nop\n.size h.part.0,1\n");
	write_text("version.map", "V_1.2 { global: api; };\n");
	must("cc -c -o version.o version.s && "
	     "ld -shared --version-script=version.map -o version.so version.o");
	module = add("version.so");
	assert_string_equal(only_frame(module, symbol_address("version.so", "f.cold")).function,
			    "f");
	assert_string_equal(only_frame(module, symbol_address("version.so", "g.cold.7")).function,
			    "g");
	assert_string_equal(only_frame(module, symbol_address("version.so", "_Z1hi.cold")).function,
			    "h(int)");
	assert_string_equal(only_frame(module, symbol_address("version.so", "h.part.0")).function,
			    "h.part.0");
	assert_string_equal(only_frame(module, symbol_address("version.so", "f.cold") - 1).function,
			    "api");
}

static void hostile_names_are_made_harmless(void **state)
{
	struct symbol_frame frame;
	uint64_t hidden = symbol_address("whole", "hidden");

	(void)state;
	must("strip --strip-debug -o plain whole && "
	     "objcopy --redefine-sym hidden=\"$(printf 'e\\033[31m\\377\"<b>')\" plain evil");
	frame = only_frame(add("evil"), hidden);
	assert_string_equal(frame.function, "e\\x1b[31m\\xff\"<b>");
}

static void modules_of_one_build_share_their_answers(void **state)
{
	uint32_t first = add("whole"), second = add("whole");

	(void)state;
	assert_int_equal(first, second);
	/* the same build id in another program is no proof */
	write_text("liar.c", "char big[1 << 20] = {1}; int main(void) { return big[3]; }\n");
	must("cc -Wl,--build-id=0x0123456789abcdef -o liar liar.c");
	assert_int_not_equal(add("liar"), first);
}

static void module_without_a_file_gives_unknown_frames(void **state)
{
	struct symbol_module_options options = {.path = "/gone (deleted)"};
	const struct symbol_frame *frames;
	uint32_t module;
	size_t count;

	(void)state;
	assert_int_equal(symbolizer_add_module(symbolizer, NULL, &options, &module), 0);
	assert_int_equal(only_frame(module, 4711).kind, SYMBOL_UNKNOWN);
	assert_int_equal(symbolizer_resolve(symbolizer, module + 1, 0, &frames, &count), -EINVAL);
}

static void answers_outlive_the_files(void **state)
{
	uint64_t hidden = symbol_address("whole", "hidden");
	struct symbol_frame before;
	uint32_t module;

	(void)state;
	must("cp linked doomed && cp frames.debug saved");
	module = add("doomed");
	/* registered, then deleted: the first question comes later */
	must("rm doomed frames.debug");
	before = only_frame(module, hidden);
	assert_string_equal(before.function, "hidden");
	assert_int_equal(before.line, 18);
	symbolizer_release(symbolizer);
	assert_string_equal(only_frame(module, hidden + 1).function, "hidden");
	assert_int_equal(only_frame(module, hidden + 1).line, before.line);
	assert_ptr_equal(only_frame(module, hidden).function, before.function);
	must("mv saved frames.debug");
}

static void every_address_is_counted_once(void **state)
{
	uint64_t hidden = symbol_address("whole", "hidden");
	struct symbolizer_counts counts;
	uint32_t module = add("whole");

	(void)state;
	for (int i = 0; i < 3; i++) {
		only_frame(module, hidden);
		only_frame(module, 1); /* in no segment */
	}
	symbolizer_counts(symbolizer, &counts);
	assert_int_equal(counts.modules, 1);
	assert_int_equal(counts.addresses, 2);
	assert_int_equal(counts.named, 1);
	assert_int_equal(counts.with_line, 1);
	assert_int_equal(counts.not_kept, 0);
	assert_true(counts.memory_bytes > 0);
}

static void memory_stays_below_the_bound_and_the_rest_is_counted(void **state)
{
	enum { BOUND = 64 << 10, QUESTIONS = 5000 };
	struct symbolizer_counts counts;
	uint32_t module;
	size_t count;

	(void)state;
	symbolizer_limit_memory(symbolizer, BOUND);
	module = add("whole");
	for (uint64_t at = 0; at < QUESTIONS; at++)
		resolve(module, 0x10000000 + at, &count);
	symbolizer_counts(symbolizer, &counts);
	assert_true(counts.memory_bytes <= BOUND);
	assert_true(counts.not_kept > 0);
	assert_int_equal(counts.addresses + counts.not_kept, QUESTIONS);
	/* what was kept stays answered */
	resolve(module, 0x10000000, &count);
	symbolizer_counts(symbolizer, &counts);
	assert_int_equal(counts.addresses + counts.not_kept, QUESTIONS);
}

static void jitted_code_is_named_by_its_process_perf_map(void **state)
{
	static const char text[] = "7000 10 LazyCompile:*run\033 a.js\n8000 10 _ZN1a1bEv\nbroken\n";
	struct symbolizer_counts counts;
	struct symbol_frame frame;

	(void)state;
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x7005, &frame), -ENOENT);
	assert_int_equal(symbolizer_set_perf_map(symbolizer, 7, text, strlen(text)), 0);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x7005, &frame), 0);
	assert_string_equal(frame.function, "LazyCompile:*run\\x1b a.js");
	assert_true(frame.offset == 5);
	assert_int_equal(frame.kind, SYMBOL_JIT);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x8005, &frame), 0);
	assert_string_equal(frame.function, "a::b()");
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 8, 0x7005, &frame), -ENOENT);
	symbolizer_counts(symbolizer, &counts);
	assert_int_equal(counts.jit_lines_dropped, 1);
	/* a newer one replaces it */
	assert_int_equal(symbolizer_set_perf_map(symbolizer, 7, "9000 1 x", 8), 0);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x7005, &frame), -ENOENT);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x9000, &frame), 0);
	symbolizer_forget_process(symbolizer, 7);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 7, 0x9000, &frame), -ENOENT);
}

static void perf_map_is_read_inside_the_targets_root(void **state)
{
	struct symbol_frame frame;

	(void)state;
	must("mkdir -p tmp");
	write_text("tmp/perf-3.map", "100 10 inside\n");
	assert_int_equal(symbolizer_load_perf_map(symbolizer, 4712, 3, open_in_fixture), 0);
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 4712, 0x10f, &frame), 0);
	assert_string_equal(frame.function, "inside");
	assert_int_equal(symbolizer_load_perf_map(symbolizer, 4712, 4, open_in_fixture), -ENOENT);
	/* which is no reason to forget the old one */
	assert_int_equal(symbolizer_resolve_jit(symbolizer, 4712, 0x10f, &frame), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(inlined_frames_carry_the_lines_of_their_calls),
		TEST(stripped_binary_gets_the_same_frames_from_its_debug_file),
		TEST(names_are_the_same_without_lines),
		TEST(stripped_binary_without_debug_file_knows_nothing_and_says_so),
		TEST(minidebuginfo_names_local_functions),
		TEST(plt_stub_is_named_after_its_target),
		TEST(best_of_several_symbols_at_one_address_is_shown),
		TEST(version_and_cold_part_are_no_part_of_the_name),
		TEST(hostile_names_are_made_harmless),
		TEST(modules_of_one_build_share_their_answers),
		TEST(module_without_a_file_gives_unknown_frames),
		TEST(answers_outlive_the_files),
		TEST(every_address_is_counted_once),
		TEST(memory_stays_below_the_bound_and_the_rest_is_counted),
		TEST(jitted_code_is_named_by_its_process_perf_map),
		TEST(perf_map_is_read_inside_the_targets_root),
	};

	return cmocka_run_group_tests(tests, build, fixture_close);
}
