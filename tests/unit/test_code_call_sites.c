/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * Calls found in assembled code, whose labels say where; in programs that the compiler makes in several ways, and in
 * those of the system, where objdump is the truth. What objdump cannot say (places, sizes) only the first ones check.
 */
#include "process/code/call_sites.h"

#include <errno.h>
#include <inttypes.h>

#include "code_fixture.h"
#include "oom.h"
#include "process/code/placement.h"

struct module {
	struct elf_file *file;
	struct code_goal goals[GOAL_COUNT];
	struct call_sites sites;
};

static void open_module(struct module *m, struct elf_file *file, size_t limit)
{
	m->file = file;
	goals_of(file, m->goals);
	assert_int_equal(call_sites_find(m->file, m->goals, GOAL_COUNT, limit, &m->sites), 0);
}

static void close_module(struct module *m)
{
	call_sites_done(&m->sites);
	elf_file_free(m->file);
}

static void open_code(struct module *m, const char *text)
{
	open_module(m, assemble(text, ""), 1000);
}

static const struct direct_call *site_at(const struct module *m, const char *name)
{
	uint64_t address = label(m->file, name);

	for (size_t i = 0; i < m->sites.count; i++) {
		if (m->sites.items[i].call == address)
			return &m->sites.items[i];
	}
	fail_msg("no site at %s", name);
	return NULL;
}

static void every_form_of_a_call_is_found(void **state)
{
	struct module m;

	(void)state;
	open_code(
		&m,
		".text\n" FUNCTION(own, "ret") FUNCTION(direct, "nop; at_plt: call malloc@PLT; ret")
			FUNCTION(got, "at_got: call *calloc@GOTPCREL(%rip); ret")
				FUNCTION(bnd, "at_bnd: bnd call malloc@PLT; ret") FUNCTION(
					local, "at_own: call own; at_addr32: addr32 call own; ret")
					FUNCTION(tail, "at_jump: jmp free@PLT") FUNCTION(
						tail_got,
						"at_jump_got: jmp *realloc@GOTPCREL(%rip)"));
	assert_int_equal(m.sites.count, 7);
	assert_int_equal(m.sites.calls, 5);
	assert_int_equal(m.sites.jumps, 2);
	assert_int_equal(site_at(&m, "at_plt")->goal, MALLOC);
	assert_int_equal(site_at(&m, "at_plt")->function_start, label(m.file, "direct"));
	assert_int_equal(site_at(&m, "at_plt")->function_end, label(m.file, "got"));
	assert_int_equal(site_at(&m, "at_plt")->result, label(m.file, "at_plt") + 5);
	assert_int_equal(site_at(&m, "at_plt")->call_kind, PLACEMENT_EMULATED);
	assert_int_equal(site_at(&m, "at_got")->goal, CALLOC);
	assert_true(site_at(&m, "at_got")->is_indirect);
	assert_int_equal(site_at(&m, "at_bnd")->goal, MALLOC);
	assert_int_equal(site_at(&m, "at_own")->goal, OWN);
	assert_int_equal(site_at(&m, "at_addr32")->goal, OWN);
	assert_int_equal(site_at(&m, "at_jump")->goal, FREE);
	assert_true(site_at(&m, "at_jump")->is_jump);
	assert_int_equal(site_at(&m, "at_jump_got")->goal, REALLOC);
	assert_true(site_at(&m, "at_jump_got")->is_jump && site_at(&m, "at_jump_got")->is_indirect);
	for (size_t i = 1; i < m.sites.count; i++)
		assert_true(m.sites.items[i - 1].call < m.sites.items[i].call);
	close_module(&m);
}

static void the_result_is_seen_where_the_kernel_emulates(void **state)
{
	struct module m;

	(void)state;
	open_code(
		&m,
		".text\n" FUNCTION(f1, "s1: call malloc@PLT; test %rax,%rax; p1: je 1f; 1: ret") FUNCTION(
			f2,
			"s2: call malloc@PLT; mov %rax,%rbx; test %rbx,%rbx; p2: push %rbx; ret")
			FUNCTION(f3, "s3: call malloc@PLT; p3: xor %eax,%eax; nop; ret") FUNCTION(
				f4, "s4: call malloc@PLT; p4: add $8,%rsp; nop; ret")
				FUNCTION(f5, "s5: call malloc@PLT; p5: mov %rax,(%rdi); ret") FUNCTION(
					f6,
					"s6: call malloc@PLT; cs nopw 0(%rax,%rax,1); p6: mov %rax,%rbx; ret")
					FUNCTION(f7, "s7: call malloc@PLT; p7: call own; ret")
						FUNCTION(f8, "s8: call free@PLT; nop; ret")
							FUNCTION(own, "ret"));
	for (int i = 1; i <= 7; i++) {
		char site[16], place[16];

		snprintf(site, sizeof(site), "s%d", i);
		snprintf(place, sizeof(place), "p%d", i);
		assert_int_equal(site_at(&m, site)->result_place, label(m.file, place));
	}
	assert_int_equal(site_at(&m, "s1")->result_kind, PLACEMENT_EMULATED);
	assert_int_equal(site_at(&m, "s2")->result_kind, PLACEMENT_EMULATED);
	assert_int_equal(site_at(&m, "s3")->result_kind, PLACEMENT_STEPPED);
	assert_int_equal(site_at(&m, "s6")->result_kind, PLACEMENT_STEPPED);
	assert_int_equal(site_at(&m, "s7")->result_kind, PLACEMENT_EMULATED);
	assert_int_equal(site_at(&m, "s8")->result_place, 0);
	close_module(&m);
}

static void places_to_which_other_code_jumps_are_told_apart(void **state)
{
	struct module m;

	(void)state;
	open_code(&m,
		  ".text\n" FUNCTION(
			  f1,
			  "s1: call malloc@PLT; p1: mov %rax,%rbx; 1: test %rbx,%rbx; j1: je 2f\n"
			  "2: call own; jmp 1b")
			  FUNCTION(f2, "s2: call malloc@PLT; 1: nop; ret; call own; jmp 1b")
				  FUNCTION(own, "ret"));
	assert_int_equal(site_at(&m, "s1")->result_place, label(m.file, "p1"));
	assert_int_equal(site_at(&m, "s1")->result_kind, PLACEMENT_STEPPED);
	assert_int_equal(site_at(&m, "s1")->joined_place, label(m.file, "j1"));
	assert_false(site_at(&m, "s1")->is_shared);
	assert_true(site_at(&m, "s2")->is_shared);
	assert_int_equal(site_at(&m, "s2")->joined_place, 0);
	close_module(&m);
}

static void sites_that_take_no_probe_are_counted(void **state)
{
	struct module m;

	(void)state;
	open_code(&m, ".text\n" FUNCTION(f1, "call malloc@PLT; lock incl (%rax); ret")
			      FUNCTION(f2, "call malloc@PLT; lock xadd %eax,(%rbx); nop; ret")
				      FUNCTION(f3, ".byte 0x3e; call malloc@PLT; nop; ret"));
	assert_int_equal(m.sites.count, 1); /* f1's ret is a place */
	assert_int_equal(m.sites.items[0].result_place, m.sites.items[0].result + 3);
	assert_int_equal(m.sites.refused, 2);
	close_module(&m);
}

static void constant_sizes_are_read(void **state)
{
	struct module m;

	(void)state;
	open_code(
		&m,
		".text\n" FUNCTION(f1, "mov $24,%edi; mov %rsi,%rbx; s1: call malloc@PLT; ret") FUNCTION(
			f2, "mov $3,%esi; mov $100,%edi; s2: call calloc@PLT; ret")
			FUNCTION(f3, "mov $24,%edi; je 1f; 1: s3: call malloc@PLT; ret") FUNCTION(
				f4, "mov $24,%edi; call own; s4: call malloc@PLT; ret")
				FUNCTION(f5, "mov $24,%edi; add $1,%edi; s5: call malloc@PLT; ret") FUNCTION(
					f6,
					"mov $-1,%edi; xor %esi,%esi; s6: call realloc@PLT; ret")
					FUNCTION(f7, "mov $2,%edi; s7: call own; ret") FUNCTION(
						f8, "1: mov $24,%edi; s8: call malloc@PLT; jmp 1b")
						FUNCTION(
							f10,
							"mov $24,%edi; 1: s10: call malloc@PLT; jmp 1b")
							FUNCTION(
								f9,
								"mov %rdi,%rsi; mov $3,%edi; s9: call calloc@PLT; ret")
								FUNCTION(own, "ret"));
	assert_true(site_at(&m, "s1")->has_constant);
	assert_int_equal(site_at(&m, "s1")->constant_bytes, 24);
	assert_true(site_at(&m, "s2")->has_constant);
	assert_int_equal(site_at(&m, "s2")->constant_bytes, 300);
	assert_false(site_at(&m, "s3")->has_constant);
	assert_false(site_at(&m, "s4")->has_constant);
	assert_false(site_at(&m, "s5")->has_constant);
	assert_true(site_at(&m, "s6")->has_constant);
	assert_int_equal(site_at(&m, "s6")->constant_bytes, 0);
	assert_int_equal(site_at(&m, "s7")->constant_bytes, 32);
	assert_true(site_at(&m, "s8")->has_constant);
	assert_false(site_at(&m, "s9")->has_constant);
	assert_false(site_at(&m, "s10")->has_constant);
	close_module(&m);
}

static void bytes_that_only_look_like_a_call_are_none(void **state)
{
	struct module m;

	(void)state;
	/* a movabs whose immediate holds a whole call, a call by two registers; no code behind f2's jump */
	open_code(&m, ".text\n" FUNCTION(
			      f1, ".byte 0x48,0xb8,0xe8; .long own - . - 4; .byte 0,0,0; ret")
			      FUNCTION(f3, ".byte 0xff,0x94,0xe8; .long own - . - 4; ret")
				      FUNCTION(f2, "jmp 1f; .byte 6; call own; 1: ret")
					      FUNCTION(own, "ret") "bare: call own; ret\n");
	assert_int_equal(m.sites.count, 0);
	assert_int_equal(m.sites.not_decoded, 1);
	assert_int_equal(m.sites.without_frame, 1);
	close_module(&m);
}

static void no_more_than_the_limit_are_kept(void **state)
{
	struct module m;

	(void)state;
	open_code(&m, ".text\n" FUNCTION(f1, ".rept 50; call malloc@PLT; nop; .endr; ret"));
	assert_int_equal(m.sites.count, 50);
	assert_false(m.sites.cut);
	close_module(&m);
	open_module(&m, open_fixture_file("code.so"), 7);
	assert_int_equal(m.sites.count, 7);
	assert_true(m.sites.cut);
	close_module(&m);
}

static void every_allocation_may_fail(void **state)
{
	struct module m;
	struct call_sites sites;

	(void)state;
	open_code(&m, ".text\n" FUNCTION(f1, ".rept 50; call malloc@PLT; nop; .endr; ret"));
	for (long n = 1;; n++) {
		int err;

		oom_arm(n);
		err = call_sites_find(m.file, m.goals, GOAL_COUNT, 1000, &sites);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			assert_int_equal(sites.count, 50);
			call_sites_done(&sites);
			break;
		}
		assert_int_equal(err, -ENOMEM);
	}
	close_module(&m);
}

/* The goal that objdump's "<name@plt>" or "<name@@VERSION>" means; -1: none. */
static int goal_named(const char *text)
{
	const char *open = strrchr(text, '<');
	size_t len = open ? strcspn(open + 1, "@>+") : 0;

	for (int i = 0; open && i < OWN; i++) {
		if (strlen(usual_goals[i].symbol) == len &&
		    !strncmp(usual_goals[i].symbol, open + 1, len) && !strchr(open, '+'))
			return i;
	}
	return -1;
}

/* A line of objdump's, as a site. False: no call or jump of a goal. */
static bool parse_line(const char *line, struct direct_call *ret)
{
	char address[24], what[3][16];
	int words =
		sscanf(line, " %23[0-9a-f]:\t%15s %15s %15s", address, what[0], what[1], what[2]);
	int goal = words >= 2 ? goal_named(line) : -1;

	if (goal < 0)
		return false;
	for (int i = 0; i < words - 1; i++) {
		bool is_jump = !strcmp(what[i], "jmp");

		if (is_jump || !strcmp(what[i], "call")) {
			*ret = (struct direct_call){.call = strtoull(address, NULL, 16),
						    .goal = (uint32_t)goal,
						    .is_jump = is_jump};
			return true;
		}
	}
	return false;
}

/* Each line that objdump prints is the next site; @m has no others. */
static size_t check_against_objdump(const struct module *m, const char *path)
{
	char command[256], line[512];
	bool stubs = false;
	size_t next = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "LC_ALL=C objdump -dw --no-show-raw-insn '%s'", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		struct direct_call site;

		if (!strncmp(line, "Disassembly of section ", 23))
			stubs = !strncmp(line + 23, ".plt", 4) || !strncmp(line + 23, ".iplt", 5);
		if (stubs || !parse_line(line, &site))
			continue;
		if (next >= m->sites.count || m->sites.items[next].call != site.call ||
		    m->sites.items[next].goal != site.goal ||
		    m->sites.items[next].is_jump != site.is_jump)
			fail_msg("%s: site %zu should be %s", path, next, line);
		next++;
	}
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(next, m->sites.count);
	assert_int_equal(m->sites.without_frame + m->sites.not_decoded + m->sites.refused, 0);
	return next;
}

static void compare(const char *path)
{
	struct module m;

	struct elf_file *file;

	assert_int_equal(elf_file_open_path(path, &file), 0);
	open_module(&m, file, 1000000);
	assert_true(check_against_objdump(&m, path) > 0);
	close_module(&m);
}

static void sites_of_system_programs_are_those_of_objdump(void **state)
{
	static const char *const paths[] = {
		"/usr/bin/python3",
		"/usr/bin/git",
		"/usr/bin/redis-server",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
	};
	size_t compared = 0;

	(void)state;
	need_program("objdump");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (access(paths[i], R_OK))
			continue;
		compare(paths[i]);
		compared++;
	}
	if (!compared)
		skip_because("none of the programs is there");
}

/* objdump's names come from the symbol table; we find the same without. */
static void check_stripped(void)
{
	struct module whole, stripped;

	open_module(&whole, open_fixture_file("made"), 1000);
	must("strip made");
	open_module(&stripped, open_fixture_file("made"), 1000);
	assert_int_equal(whole.sites.count, stripped.sites.count);
	for (size_t i = 0; i < whole.sites.count; i++) {
		assert_int_equal(whole.sites.items[i].call, stripped.sites.items[i].call);
		assert_int_equal(whole.sites.items[i].goal, stripped.sites.items[i].goal);
	}
	close_module(&whole);
	close_module(&stripped);
}

static void sites_of_compiled_programs_are_those_of_objdump(void **state)
{
	static const char *const ways[] = {
		"gcc -O0",
		"gcc -O2 -fcf-protection=full -Wl,-z,ibtplt",
		"gcc -O2 -fno-plt -Wl,-z,now",
		"gcc -O2 -fno-plt -shared -fPIC -Wl,-z,now",
		"gcc -O3 -shared -fPIC -fcf-protection=branch",
		"gcc -Os -no-pie -Wl,-z,lazy",
		"clang -O2",
		"clang -O0 -fno-plt -fPIC -shared",
	};
	static const char source[] =
		"#include <stdlib.h>\n"
		"struct node { struct node *next; int n; } *list;\n"
		"void *(*keep)(size_t);\n"
		"void *pass(size_t n) { return malloc(n); }\n"
		"struct node *make(int n) { struct node *p = malloc(sizeof *p);"
		" if (!p) abort(); p->n = n; p->next = list; list = p; return p; }\n"
		"void drop(void) { struct node *p = list; list = p->next; free(p); }\n"
		"int main(int argc, char **argv) { int *a = calloc(argc, 4); keep = argc > 5 ? pass : malloc; char *b = keep(9);"
		" a = realloc(a, argc * 8l); for (int i = 0; i < argc; i++) a[i] = make(i)->n + argv[i][0] + b[0];"
		" drop(); free(b); return a[0]; }\n";
	char command[256], path[128];

	(void)state;
	need_program("gcc");
	need_program("objdump");
	write_text("made.c", source);
	snprintf(path, sizeof(path), "%s/made", fixture_directory);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (ways[i][0] == 'c' && shell("command -v clang"))
			continue;
		snprintf(command, sizeof(command), "%s -o made made.c", ways[i]);
		must(command);
		compare(path);
		check_stripped();
	}
}

/* libc is inside, so the allocator's functions are no imports. */
static void sites_of_a_static_program_are_found(void **state)
{
	struct module m;

	(void)state;
	need_program("gcc");
	write_text("static.c",
		   "#include <stdlib.h>\n"
		   "int main(int c, char **v) { char *p = malloc(c * 16); p[0] = v[0][0];"
		   " int n = p[1]; free(p); return n; }\n");
	if (shell("gcc -O1 -static -no-pie -o static static.c"))
		skip_because("no static libc");
	open_module(&m, open_fixture_file("static"), 100000);
	assert_true(m.sites.count > 20);
	for (size_t i = 0, in_main = 0; i < m.sites.count; i++) {
		if (m.sites.items[i].function_start == label(m.file, "main"))
			assert_int_equal(m.sites.items[i].goal, in_main++ ? FREE : MALLOC);
		else if (i + 1 == m.sites.count)
			assert_int_equal(in_main, 2);
	}
	close_module(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_a_call_is_found),
		cmocka_unit_test(the_result_is_seen_where_the_kernel_emulates),
		cmocka_unit_test(places_to_which_other_code_jumps_are_told_apart),
		cmocka_unit_test(sites_that_take_no_probe_are_counted),
		cmocka_unit_test(constant_sizes_are_read),
		cmocka_unit_test(bytes_that_only_look_like_a_call_are_none),
		cmocka_unit_test(no_more_than_the_limit_are_kept),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(sites_of_compiled_programs_are_those_of_objdump),
		cmocka_unit_test(sites_of_system_programs_are_those_of_objdump),
		cmocka_unit_test(sites_of_a_static_program_are_found),
	};

	return cmocka_run_group_tests_name("code_call_sites", tests, fixture_open, fixture_close);
}
