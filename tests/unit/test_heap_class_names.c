// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects of a stripped C++ program are known by their classes' names. */
#include "heap_subject.h"

static const char source[] =
	"#include <unistd.h>\n"
	"#include <stdlib.h>\n"
	"namespace shop { struct Item { virtual ~Item() {} long a[3] = {1, 2, 3}; };\n"
	"template <typename T> struct Box : Item { T value{}; }; }\n"
	"namespace { struct Local : shop::Item { char b[200] = {}; }; }\n"
	"struct Other { virtual ~Other() {} }; struct Two : Other, shop::Item { long c[9] = {}; };\n"
	"static void *volatile held[500];\n"
	"int main() { for (int i = 0; i < 100; i++) { held[i] = new shop::Item;\n"
	"  held[100 + i] = new shop::Box<int>; held[200 + i] = new Local; held[300 + i] = new Two;\n"
	"  held[400 + i] = calloc(1, 500); }\n"
	"  for (;;) { pid_t p = getpid(); char c; if (write(1, &p, sizeof(p)) < 0 || read(0, &c, 1) != 1)\n"
	"    return 0; } }\n";

static void build(const char *flags, char path[PATH_MAX])
{
	char command[3 * PATH_MAX];
	FILE *compiler;

	subject_path(path);
	snprintf(strrchr(path, '/'), 64, "/heap_classes.%d", (int)getpid());
	snprintf(command, sizeof(command), "g++ -std=c++17 -O1 -s %s -x c++ -o %s -", flags, path);
	compiler = popen(command, "w");
	assert_non_null(compiler);
	assert_true(fputs(source, compiler) >= 0);
	assert_int_equal(pclose(compiler), 0);
}

static const struct heap_group *class_group(const struct heap_snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->group_count; i++) {
		const struct heap_type *type = &s->types[s->groups[i].type];

		if (type->kind == HEAP_CLASS && !strcmp(type->name, name))
			return &s->groups[i];
	}
	return NULL;
}

static void check(const char *flags)
{
	static const char *const names[] = {"N4shop4ItemE", "N4shop3BoxIiEE",
					    "N12_GLOBAL__N_15LocalE", "3Two"};
	char path[PATH_MAX], *argv[] = {path, NULL};
	struct heap_snapshot *s;
	struct subject subject;

	build(flags, path);
	subject_exec(&subject, argv);
	s = subject_scan(&subject, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct heap_group *group = class_group(s, names[i]);

		if (!group)
			print_message("# %s: no %s\n", flags, names[i]);
		assert_non_null(group);
		assert_int_equal(group->count, 100);
		assert_int_equal(group->lost_count, 0);
		assert_int_equal(group->holder.root, HEAP_ROOT_GLOBAL);
	}
	assert_int_equal(s->lost_total, 0);
	heap_snapshot_free(s);
	subject_stop(&subject);
	unlink(path);
}

static void of_a_position_independent_program(void **state)
{
	(void)state;
	check("");
}

static void of_one_at_a_fixed_place(void **state)
{
	(void)state;
	check("-no-pie");
}

static void of_a_static_one(void **state)
{
	(void)state;
	check("-static");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_position_independent_program),
		cmocka_unit_test(of_one_at_a_fixed_place),
		cmocka_unit_test(of_a_static_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
