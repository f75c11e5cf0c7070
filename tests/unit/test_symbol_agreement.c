/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines and inlined frames of a C++ program against addr2line (binutils) and eu-addr2line (elfutils): 2,000 random
 * addresses inside functions. Only files and lines are compared, one pair a frame: names differ by intent (the symbol
 * table's, with parameters). Another reader of the same DWARF finds our mistakes, not the compiler's; and
 * eu-addr2line is libdw as we are, so its agreement tells of our walk only.
 */
#include "process/symbol/symbolizer.h"

#include <ctype.h>
#include <elf.h>

#include "base/vec.h"
#include "symbol_fixture.h"

/* Under a sanitizer it is about memory, not about agreement. */
#ifdef __SANITIZE_ADDRESS__
#define QUESTIONS 300
#else
#define QUESTIONS 2000
#endif

static const char source[] =
	"#include <cstdio>\n#include <map>\n#include <string>\n#include <vector>\n"
	"namespace { struct Hidden { int v; int twice(int x) {\n"
	"	return v * x + (int)std::to_string(x).size(); } }; }\n"
	"namespace outer { namespace inner {\n"
	"static inline int add(int a, int b) { Hidden h{a}; return h.twice(b) + b; }\n"
	"template <class T> struct Box { T v; __attribute__((noinline)) T get(int k) {\n"
	"	auto l = [&](int z) { return add(z, k); };\n"
	"	return v + l(k) + add(k, 3); } };\n"
	"} }\n"
	"static __attribute__((noinline)) std::map<std::string, std::vector<int>> group(int n) {\n"
	"	std::map<std::string, std::vector<int>> m;\n"
	"	for (int i = 0; i < n; i++) m[std::to_string(i % 7)].push_back(i);\n"
	"	return m;\n"
	"}\n"
	"int main(int argc, char **) {\n"
	"	outer::inner::Box<int> b{argc};\n"
	"	auto m = group(argc * 100);\n"
	"	struct Local { static int m(int q) { return outer::inner::add(q, q) + 1; } };\n"
	"	printf(\"%d %d\\n\", b.get((int)m.size()), Local::m(argc));\n"
	"}\n";

VEC_STRUCT(address_vec, uint64_t);

/* Where one frame stands. */
struct where {
	char file[512];
	unsigned line;
};

struct answer {
	size_t count;
	struct where frames[SYMBOL_MAX_FRAMES + 1];
};

static int collect(const struct elf_symbol *symbol, void *user)
{
	struct address_vec *addresses = user;

	if (!symbol->defined || symbol->type != STT_FUNC || symbol->dynamic)
		return 0;
	for (uint64_t i = 0; i < symbol->size; i++)
		assert_int_equal(vec_push(addresses, symbol->address + i), 0);
	return 0;
}

/* Any byte of any function, without asking one twice. */
static struct address_vec choose_addresses(const char *binary)
{
	struct address_vec addresses = VEC_INIT;
	struct elf_file *file = open_fixture(binary);

	assert_int_equal(elf_file_for_each_symbol(file, collect, &addresses), 0);
	elf_file_free(file);
	assert_true(addresses.count >= QUESTIONS);
	srandom(11);
	for (size_t i = 0; i < QUESTIONS; i++) {
		size_t other = i + (size_t)random() % (addresses.count - i);
		uint64_t swapped = addresses.items[i];

		addresses.items[i] = addresses.items[other];
		addresses.items[other] = swapped;
	}
	addresses.count = QUESTIONS;
	return addresses;
}

static void write_addresses(const struct address_vec *addresses)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < addresses->count; i++)
		strbuf_addf(&text, "0x%llx\n", (unsigned long long)addresses->items[i]);
	assert_false(text.failed);
	write_text("addresses", text.buf);
	strbuf_done(&text);
}

/* "/a/b.cc:12:3 (discriminator 2)", "b.cc:?", "??:0". Line 0 is no line, whatever the file. */
static struct where parse_where(const char *line)
{
	struct where where = {.file = "?"};
	const char *colon = NULL;

	for (const char *p = line; (p = strchr(p, ':')); p++) {
		if (isdigit((unsigned char)p[1]) || p[1] == '?') {
			colon = p;
			break;
		}
	}
	if (!colon)
		return where;
	where.line = (unsigned)strtoul(colon + 1, NULL, 10);
	if (where.line)
		snprintf(where.file, sizeof(where.file), "%.*s", (int)(colon - line), line);
	return where;
}

/* One block of the tool's output: an address, then two lines a frame. @line holds the next block's first line. */
static struct answer read_answer(FILE *output, char *line, size_t size)
{
	struct answer answer = {0};
	bool name = true;

	while (fgets(line, (int)size, output) && strncmp(line, "0x", 2) != 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!name && answer.count <= SYMBOL_MAX_FRAMES)
			answer.frames[answer.count++] = parse_where(line);
		name = !name;
	}
	return answer;
}

static bool agrees(const struct answer *theirs, const struct symbol_frame *frames, size_t count)
{
	if (theirs->count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (theirs->frames[i].line != frames[i].line)
			return false;
		if (frames[i].line && strcmp(theirs->frames[i].file, frames[i].file) != 0)
			return false;
	}
	return true;
}

/* How many of the answers agree; *ret_inlined: how many had more than one frame. */
static size_t compare(const char *tool, const char *binary, size_t *ret_inlined)
{
	struct symbol_module_options options = {0};
	struct address_vec addresses = choose_addresses(binary);
	char command[256], path[128], line[65536];
	size_t agreed = 0, count;
	struct symbolizer *symbolizer;
	const struct symbol_frame *frames;
	uint32_t module;
	FILE *output;

	write_addresses(&addresses);
	snprintf(command, sizeof(command), "%s -e %s -a -i -f <addresses >answers", tool, binary);
	must(command);
	snprintf(path, sizeof(path), "%s/answers", fixture_directory);
	output = fopen(path, "r");
	assert_non_null(output);
	assert_non_null(fgets(line, sizeof(line), output));
	assert_int_equal(symbolizer_new(&symbolizer), 0);
	assert_int_equal(symbolizer_add_module(symbolizer, open_fixture(binary), &options, &module),
			 0);
	*ret_inlined = 0;
	for (size_t i = 0; i < addresses.count; i++) {
		struct answer theirs;

		assert_true(strtoull(line, NULL, 16) == addresses.items[i]);
		theirs = read_answer(output, line, sizeof(line));
		assert_int_equal(symbolizer_resolve(symbolizer, module, addresses.items[i], &frames,
						    &count),
				 0);
		*ret_inlined += count > 1;
		agreed += agrees(&theirs, frames, count);
	}
	fclose(output);
	symbolizer_free(symbolizer);
	vec_done(&addresses);
	print_message("# %s, %s: %zu of %d agree, %zu have inlined frames\n", tool, binary, agreed,
		      QUESTIONS, *ret_inlined);
	return agreed;
}

static int build(void **state)
{
	if (fixture_open(state))
		return -1;
	write_text("agree.cc", source);
	return 0;
}

static void need_binary(const char *binary, const char *command)
{
	char path[128];

	need_program("g++");
	snprintf(path, sizeof(path), "%s/%s", fixture_directory, binary);
	if (access(path, R_OK))
		must(command);
}

static void frames_agree_with_addr2line(void **state)
{
	size_t inlined;

	(void)state;
	need_program("addr2line");
	need_binary("dwarf5", "g++ -std=c++17 -O2 -g -gdwarf-5 -o dwarf5 agree.cc");
	assert_true(compare("addr2line", "dwarf5", &inlined) >= QUESTIONS * 995 / 1000);
	assert_true(inlined > QUESTIONS / 4);
}

static void frames_agree_with_addr2line_on_dwarf4_in_compressed_sections(void **state)
{
	size_t inlined;

	(void)state;
	need_program("addr2line");
	need_binary("dwarf4", "g++ -std=c++17 -O2 -g -gdwarf-4 -gz -o dwarf4 agree.cc");
	assert_true(compare("addr2line", "dwarf4", &inlined) >= QUESTIONS * 995 / 1000);
	assert_true(inlined > QUESTIONS / 4);
}

/* It prints one frame where a function is inlined into another without a line of its own. */
static void frames_agree_with_eu_addr2line(void **state)
{
	size_t inlined;

	(void)state;
	need_program("eu-addr2line");
	need_binary("dwarf5", "g++ -std=c++17 -O2 -g -gdwarf-5 -o dwarf5 agree.cc");
	assert_true(compare("eu-addr2line", "dwarf5", &inlined) >= QUESTIONS * 98 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_agree_with_addr2line),
		cmocka_unit_test(frames_agree_with_addr2line_on_dwarf4_in_compressed_sections),
		cmocka_unit_test(frames_agree_with_eu_addr2line),
	};

	return cmocka_run_group_tests(tests, build, fixture_close);
}
