/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * Which functions hand out what they allocate: compiled in several ways, of which none may make us say yes where the
 * answer is no; and assembled ones, for what compilers do rarely. Exceptions are not seen (wrapper.h).
 */
#include "process/code/wrapper.h"

#include <errno.h>

#include "code_fixture.h"
#include "oom.h"
#include "process/code/module_code.h"
#include "process/elf/elf_frames.h"

struct subject {
	struct elf_file *file;
	struct code_goal goals[GOAL_COUNT];
	struct module_code *code;
	struct wrapper_finder *finder;
	size_t judged;
};

static void open_subject(struct subject *s, struct elf_file *file)
{
	s->file = file;
	s->judged = 0;
	goals_of(file, s->goals);
	s->goals[OWN].result_offset = 8;
	assert_int_equal(module_code_new(file, s->goals, GOAL_COUNT, &s->code), 0);
	assert_int_equal(wrapper_finder_new(module_code_view(s->code), &s->finder), 0);
}

static void close_subject(struct subject *s)
{
	wrapper_finder_free(s->finder);
	module_code_free(s->code);
	elf_file_free(s->file);
}

static int find(const struct subject *s, const char *name, struct wrapper *ret)
{
	struct elf_frames *frames;
	uint64_t start, end;
	bool found;

	assert_int_equal(elf_frames_new(s->file, &frames), 0);
	found = elf_frames_at(frames, label(s->file, name), &start, &end);
	elf_frames_free(frames);
	if (!found || start != label(s->file, name))
		fail_msg("%s has no frame", name);
	return wrapper_find(s->finder, start, end, ret);
}

static const char source[] =
	"#include <stdlib.h>\n#include <string.h>\n#include <stdio.h>\n"
	"#define F __attribute__((noinline, noclone))\n"
	"typedef struct node { struct node *next; char *name; long n; } node;\n"
	"size_t used; void *keep, *cache, *fallback; node *list; void (*handler)(void);\n"
	"void *exchange(void *); void use(void *); void look(void **); size_t usable(void *);\n"
	"F __attribute__((noreturn)) void die(const char *t) { fputs(t, stderr); abort(); }\n"
	/* these are */
	"F void *pass(size_t n) { return malloc(n); }\n"
	"F void *checked(size_t n) { void *p = malloc(n); if (!p) die(\"no\"); return p; }\n"
	"F void *exiting(size_t n) { void *p = malloc(n); if (!p) { perror(\"no\"); exit(2); } return p; }\n"
	"F void *header(size_t n) { char *p = malloc(n + 8); if (!p) return NULL; *(size_t *)p = n;"
	" used += n; return p + 8; }\n"
	"F void *counted(size_t n) { void *p = malloc(n); if (p) used += usable(p); return p; }\n"
	"F node *make(int n) { node *p = malloc(sizeof *p); if (!p) die(\"n\"); p->n = n; p->next = list;"
	" list = p; return p; }\n"
	"F char *copy(const char *s) { size_t n = strlen(s) + 1; char *p = malloc(n);"
	" return p ? memcpy(p, s, n) : NULL; }\n"
	"F void *cleared(size_t n, size_t m) { void *p = calloc(n, m); if (!p) abort(); return p; }\n"
	"F long *longs(int n) { long *p = malloc(n * sizeof *p); if (!p) abort(); return p; }\n"
	"F void *grow(void *p, size_t n) { void *q = realloc(p, n); if (!q) die(\"no\"); return q; }\n"
	"F void *grow_header(char *p, size_t n) { char *q = realloc(p - 16, n + 16); if (!q) abort();"
	" return q + 16; }\n"
	"F void *either(int z, size_t n) { return z ? calloc(1, n) : malloc(n); }\n"
	"F void *retry(size_t n) { void *p; while (!(p = malloc(n))) handler(); return p; }\n"
	"F node *both(int n) { node *p = malloc(sizeof *p); if (!p) abort(); p->name = malloc(32); p->n = n;"
	" return p; }\n"
	"F node *careful(void) { node *p = malloc(sizeof *p); if (!p) return 0; p->name = malloc(32);"
	" if (!p->name) { free(p); return 0; } return p; }\n"
	"F void *one_of_zero(size_t n) { return malloc(n ? n : 1); }\n"
	"F void *branch_of_zero(size_t n) { if (n == 0) { used++; n = 1; } return malloc(n + 16); }\n"
	"F void *no_size(size_t n, size_t m) { return malloc(m ? n : 1); }\n"
	"F void *sometimes_one(size_t n, size_t m) { if (m && !n) n = 1; return malloc(n); }\n"
	/* these are not */
	"F int no_status(size_t n) { keep = malloc(n); return keep != 0; }\n"
	"F void *no_sometimes(int c, size_t n) { void *p = malloc(n); keep = p; return c ? p : 0; }\n"
	"F void *no_cached(size_t n) { void *p = cache; if (p) { cache = 0; return p; } return malloc(n); }\n"
	"F void *no_other(size_t n) { keep = malloc(n); return cache; }\n"
	"F void *no_freed(size_t n) { void *p = malloc(n); use(p); free(p); return fallback; }\n"
	"F void *no_dangling(size_t n) { void *volatile p = malloc(n); free(p); return p; }\n"
	"F void *no_exchanged(size_t n) { return exchange(malloc(n)); }\n"
	"F void *no_which(int c) { void *p = malloc(8), *q = malloc(16); if (c) { keep = p; return q; }"
	" keep = q; return p; }\n"
	"F void *no_grown(size_t n) { keep = realloc(keep, n); return keep; }\n"
	"F char *no_aligned(size_t n) { char *p = malloc(n + 64);"
	" return (char *)(((size_t)p + 63) & ~(size_t)63); }\n"
	"F void *no_replaced(size_t n) { void *p = malloc(n); look(&p); return p; }\n"
	"F void *no_list(int n) { node *p = 0; while (n--) { node *q = malloc(sizeof *q); q->next = p; p = q; }"
	" return p; }\n"
	"F void *no_stored(size_t n) { void *p = 0; if (posix_memalign(&p, 64, n)) return 0; return p; }\n"
	"F void *no_leaky(size_t n) { void *p = malloc(n); if (!p) return 0; if (usable(p) < n) return 0;"
	" return p; }\n"
	"F void *no_static(size_t n) { static char b[16]; void *p = malloc(n); return p ? p : b; }\n"
	"F void *no_small(size_t n) { static char b[16]; if (n < 16) return b; return malloc(n); }\n"
	"F void *no_array(size_t i, size_t n) { void *a[4] = {0}; a[0] = malloc(n); a[i & 3] = keep;"
	" return a[0]; }\n";

static const char *const wrappers[] = {
	"pass",  "checked", "exiting",     "header", "counted", "make", "copy",    "cleared",
	"longs", "grow",    "grow_header", "either", "retry",   "both", "careful",
};

static const char *const others[] = {
	"no_status",    "no_sometimes", "no_cached", "no_other",   "no_freed",    "no_dangling",
	"no_exchanged", "no_which",     "no_grown",  "no_aligned", "no_replaced", "no_list",
	"no_stored",    "no_leaky",     "no_static", "no_small",   "no_array",
};

static void compile(struct subject *s, const char *way)
{
	char command[256];

	need_program("gcc");
	write_text("wrap.c", source);
	snprintf(command, sizeof(command), "%s -w -shared -fPIC -o wrap.so wrap.c", way);
	must(command);
	open_subject(s, open_fixture_file("wrap.so"));
}

static void functions_that_hand_out_something_else_are_none(void **state)
{
	static const char *const ways[] = {
		"gcc -O0",
		"gcc -O1 -fcf-protection=full",
		"gcc -O2 -fno-plt",
		"gcc -O2 -fstack-protector-all",
		"gcc -O2 -fcf-protection=full -Wl,-z,ibtplt",
		"gcc -O3 -fno-omit-frame-pointer",
		"gcc -Os",
		"clang -O0",
		"clang -O1 -fno-omit-frame-pointer",
		"clang -O2 -fno-plt",
		"clang -O3",
	};
	struct wrapper w;
	size_t missed = 0, asked = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct subject s;

		if (ways[i][0] == 'c' && shell("command -v clang"))
			continue;
		compile(&s, ways[i]);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			if (find(&s, others[k], &w) != -ENOENT)
				fail_msg("%s: %s is no wrapper", ways[i], others[k]);
		}
		for (size_t k = 0; k < sizeof(wrappers) / sizeof(wrappers[0]); k++, asked++) {
			if (find(&s, wrappers[k], &w)) {
				print_message("# %s: %s is not seen\n", ways[i], wrappers[k]);
				missed++;
			}
		}
		close_subject(&s);
	}
	/* saying no is allowed, but should be rare */
	assert_true(missed * 20 <= asked);
}

static struct wrapper found(const struct subject *s, const char *name)
{
	struct wrapper w;

	if (find(s, name, &w))
		fail_msg("%s is a wrapper", name);
	assert_int_equal(w.start, label(s->file, name));
	return w;
}

static void size_is(const struct wrapper *w, enum code_size_kind kind, uint32_t scale,
		    int64_t added)
{
	assert_int_equal(w->size.kind, kind);
	assert_int_equal(w->size.scale, scale);
	assert_int_equal(w->size.added_bytes, added);
}

static void what_a_wrapper_returns_and_asks_for_is_told(void **state)
{
	struct wrapper w;
	struct subject s;

	(void)state;
	compile(&s, "gcc -O2");
	w = found(&s, "pass");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 0);
	assert_int_equal(w.result_offset, 0);
	assert_int_equal(w.pointer_argument, HF_ARG_NONE);
	assert_int_equal(w.inner_count, 1);
	assert_int_equal(w.inner[0].result, 0);
	assert_ptr_equal(w.inner[0].goal, &s.goals[MALLOC]);
	w = found(&s, "checked");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 0);
	assert_int_equal(w.inner[0].result, w.inner[0].call + 5);
	w = found(&s, "header");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 8);
	assert_int_equal(w.result_offset, 8);
	w = found(&s, "make");
	size_is(&w, CODE_SIZE_CONSTANT, 0, 24);
	w = found(&s, "cleared");
	size_is(&w, CODE_SIZE_PRODUCT, 1, 0);
	assert_int_equal(w.size.argument + w.size.count_argument, 1);
	w = found(&s, "longs");
	size_is(&w, CODE_SIZE_ARGUMENT, 8, 0);
	assert_int_equal(w.size.extension, CODE_LOW_SIGNED);
	w = found(&s, "grow");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 0);
	assert_int_equal(w.size.argument, 1);
	assert_int_equal(w.pointer_argument, 0);
	w = found(&s, "grow_header");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 16);
	assert_int_equal(w.pointer_offset, -16);
	assert_int_equal(w.result_offset, 16);
	w = found(&s, "either");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 0);
	assert_int_equal(w.inner_count, 2);
	assert_true(w.inner[0].call < w.inner[1].call);
	w = found(&s, "both");
	size_is(&w, CODE_SIZE_CONSTANT, 0, 24);
	assert_int_equal(w.inner_count, 1);
	w = found(&s, "one_of_zero");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 0);
	assert_int_equal(w.size.zero_bytes, 1);
	w = found(&s, "branch_of_zero");
	size_is(&w, CODE_SIZE_ARGUMENT, 1, 16);
	assert_int_equal(w.size.zero_bytes, 17);
	w = found(&s, "no_size");
	assert_int_equal(w.size.kind, CODE_SIZE_UNKNOWN);
	w = found(&s, "sometimes_one");
	assert_int_equal(w.size.kind, CODE_SIZE_UNKNOWN);
	w = found(&s, "copy");
	assert_int_equal(w.size.kind, CODE_SIZE_UNKNOWN);
	close_subject(&s);
}

static void wrappers_of_wrappers_add_up(void **state)
{
	struct wrapper w, inner;
	struct subject s;

	(void)state;
	need_program("gcc");
	write_text("twice.c",
		   "#include <stdlib.h>\n#define F __attribute__((noinline, noclone))\n"
		   "F char *own(int n) { char *p = malloc(n * 8l + 16); if (!p) abort();"
		   " return p + 16; }\n"
		   "F char *outer(long z, int n) { char *p = own(n); p[0] = z; return p; }\n"
		   "F char *fixed(void) { return own(3); }\n");
	must("gcc -O2 -shared -fPIC -fvisibility=hidden -o twice.so twice.c");
	open_subject(&s, open_fixture_file("twice.so"));
	inner = found(&s, "outer"); /* by the goal's own rule */
	size_is(&inner, CODE_SIZE_ARGUMENT, 8, 16);
	assert_int_equal(inner.result_offset, 8);
	close_subject(&s);

	/* own() is itself looked at with malloc alone, and becomes the goal */
	open_subject(&s, open_fixture_file("twice.so"));
	s.goals[OWN].address = 0;
	module_code_free(s.code);
	wrapper_finder_free(s.finder);
	assert_int_equal(module_code_new(s.file, s.goals, GOAL_COUNT, &s.code), 0);
	assert_int_equal(wrapper_finder_new(module_code_view(s.code), &s.finder), 0);
	inner = found(&s, "own");
	size_is(&inner, CODE_SIZE_ARGUMENT, 8, 16);
	assert_int_equal(inner.size.extension, CODE_LOW_SIGNED);
	assert_int_equal(inner.result_offset, 16);
	module_code_free(s.code);
	wrapper_finder_free(s.finder);
	s.goals[OWN] = (struct code_goal){.address = inner.start,
					  .size = inner.size,
					  .result_offset = inner.result_offset,
					  .pointer_argument = HF_ARG_NONE};
	assert_int_equal(module_code_new(s.file, s.goals, GOAL_COUNT, &s.code), 0);
	assert_int_equal(wrapper_finder_new(module_code_view(s.code), &s.finder), 0);
	w = found(&s, "outer");
	size_is(&w, CODE_SIZE_ARGUMENT, 8, 16);
	assert_int_equal(w.size.argument, 1);
	assert_int_equal(w.result_offset, 16);
	w = found(&s, "fixed");
	size_is(&w, CODE_SIZE_CONSTANT, 0, 40);
	close_subject(&s);
}

/* Assembled: "yes" or "no" is in the name. */
static const char assembled[] = ".text\n"
	/* saved in a register, on the stack, below other words */
	FUNCTION(
		yes_saved,
		"push %rbx; call malloc@PLT; mov %rax,%rbx; call puts@PLT; mov %rbx,%rax;"
		"pop %rbx; ret") FUNCTION(yes_spilled,
					  "sub $24,%rsp; call malloc@PLT; mov %rax,8(%rsp); call puts@PLT;"
					  "mov 8(%rsp),%rax; add $24,%rsp; ret")
		FUNCTION(
			yes_frame,
			"push %rbp; mov %rsp,%rbp; sub $16,%rsp; call malloc@PLT; mov %rax,-8(%rbp);"
			"call puts@PLT; mov -8(%rbp),%rax; leave; ret")
			FUNCTION(
				yes_cmov,
				"sub $8,%rsp; call malloc@PLT; lea 16(%rax),%rdx; test %rax,%rax;"
				"cmovne %rdx,%rax; add $8,%rsp; ret") FUNCTION(yes_ends_with_call,
									       "sub $8,%rsp; call malloc@PLT; test %rax,%rax; je 1f; add $8,%rsp; ret;"
									       "1: call puts@PLT")
				FUNCTION(yes_jumps_elsewhere,
					 "sub $8,%rsp; call malloc@PLT; add $8,%rsp; jmp tail")
					FUNCTION(tail, "movq $0,(%rax); ret") FUNCTION(
						yes_tail_copy,
						"push %rbx; call malloc@PLT; mov %rax,%rdi; pop %rbx; jmp memcpy@PLT")
						FUNCTION(
							yes_compared,
							"push %rbx; call malloc@PLT; mov %rax,%rbx; cmp $0,%rbx; jne 1f;"
							"xor %ebx,%ebx; 1: mov %rbx,%rax; pop %rbx; ret")
							FUNCTION(
								yes_array,
								"sub $40,%rsp; lea (%rsp),%rcx; movq $0,(%rcx); call malloc@PLT;"
								"add $40,%rsp; ret")
								FUNCTION(
									yes_added_to_null,
									"sub $8,%rsp; call malloc@PLT; add $16,%rax; add $8,%rsp; ret")
	/* lost */
	FUNCTION(no_added_to_maybe_null,
		 "sub $8,%rsp; call malloc@PLT; lea 16(%rax),%rdx; test %rax,%rax;"
		 "cmovne %rdx,%rax; add $8,%rax; add $8,%rsp; ret")
		FUNCTION(no_added_to_zero, "sub $8,%rsp; call own; add $8,%rax; add $8,%rsp; ret") FUNCTION(
			own,
			"ret") FUNCTION(no_overwritten_part,
					"sub $24,%rsp; call malloc@PLT; mov %rax,8(%rsp); movb $0,9(%rsp);"
					"mov 8(%rsp),%rax; add $24,%rsp; ret") FUNCTION(no_low_half,
											"sub $8,%rsp; call malloc@PLT; mov %eax,%eax; add $8,%rsp; ret")
			FUNCTION(no_low_byte, "sub $8,%rsp; call malloc@PLT; mov $1,%al; add $8,%rsp; ret") FUNCTION(
				no_below_stack,
				"sub $8,%rsp; call malloc@PLT; mov %rax,-24(%rsp); call puts@PLT;"
				"mov -24(%rsp),%rax; add $8,%rsp; ret") FUNCTION(no_passed_frame,
										 "sub $24,%rsp; call malloc@PLT; mov %rax,8(%rsp); lea 16(%rsp),%rdi;"
										 "call puts@PLT; mov 8(%rsp),%rax; add $24,%rsp; ret")
				FUNCTION(
					no_computed_store,
					"sub $40,%rsp; mov %rsi,%rbx; call malloc@PLT; mov %rax,8(%rsp);"
					"lea (%rsp),%rcx; add %rbx,%rcx; movq $0,(%rcx); mov 8(%rsp),%rax;"
					"add $40,%rsp; ret") FUNCTION(no_indexed_store,
								      "sub $40,%rsp; mov %rsi,%rbx; call malloc@PLT; mov %rax,8(%rsp);"
								      "movq $0,(%rsp,%rbx,8); mov 8(%rsp),%rax; add $40,%rsp; ret")
					FUNCTION(
						no_masked_store,
						"sub $40,%rsp; call malloc@PLT; mov %rax,8(%rsp); mov %rsp,%rcx;"
						"and $-16,%rcx; movq $0,(%rcx); mov 8(%rsp),%rax; add $40,%rsp; ret")
						FUNCTION(
							no_chosen_store,
							"sub $40,%rsp; mov %rsp,%rcx; test %rsi,%rsi; je 1f; lea 8(%rsp),%rcx;"
							"1: mov %rcx,%rbx; call malloc@PLT; mov %rax,8(%rsp); movq $0,(%rbx);"
							"mov 8(%rsp),%rax; add $40,%rsp; ret") FUNCTION(no_string_store,
													"sub $40,%rsp; call malloc@PLT; mov %rax,8(%rsp); mov %rsp,%rdi;"
													"mov $3,%ecx; xor %eax,%eax; rep stosq; mov 8(%rsp),%rax; add $40,%rsp;"
													"ret") FUNCTION(no_unbalanced,
															"sub $8,%rsp; call malloc@PLT; ret")
							FUNCTION(no_uneven_ways, "test %rsi,%rsi; je 1f; push %rbx; 1: call malloc@PLT; ret") FUNCTION(
								no_popped_bytes,
								"sub $8,%rsp; call malloc@PLT; add $8,%rsp; ret $8")
								FUNCTION(no_table, "call malloc@PLT; jmp *(%rdi,%rsi,8)") FUNCTION(
									no_uneven_offset,
									"push %rbx; mov %rsi,%rbx; call malloc@PLT; test %rbx,%rbx; je 1f;"
									"add $8,%rax; 1: pop %rbx; ret") FUNCTION(no_system_call,
														  "push %rbx; call malloc@PLT; syscall; pop %rbx; ret")
									FUNCTION(
										no_clobbered,
										"push %rbx; call malloc@PLT; mov %rax,%rcx; call puts@PLT; mov %rcx,%rax;"
										"pop %rbx; ret") FUNCTION(no_allocation,
													  "push %rbx; call puts@PLT; pop %rbx; ret")
										FUNCTION(no_return_at_all, "push %rbx; call malloc@PLT; 1: jmp 1b") FUNCTION(
											no_way_out_of_bytes,
											"push %rbx; call malloc@PLT; pop %rbx; .byte 6")
											FUNCTION(
												no_later_null,
												"push %rbx; push %rbp; call malloc@PLT; mov %rax,%rbx; call puts@PLT;"
												"test %rax,%rax; jne 1f; xor %ebx,%ebx; 1: mov %rbx,%rax; pop %rbp;"
												"pop %rbx; ret") FUNCTION(no_again, "push %rbx; 1: call malloc@PLT; mov %rax,%rbx; call puts@PLT; test %rax,%rax;"
																    "je 1b; mov %rbx,%rax; pop %rbx; ret")
												FUNCTION(
													no_second_of_two,
													"push %rbx; call malloc@PLT; mov %rax,%rbx; test %rsi,%rsi; je 1f;"
													"call malloc@PLT; mov %rax,%rbx; 1: mov %rbx,%rax; pop %rbx; ret")
													FUNCTION(
														no_stale_test,
														"push %rbx; call malloc@PLT; test %rax,%rax; mov %rax,%rbx; add $1,%rsi;"
														"jne 1f; xor %ebx,%ebx; 1: mov %rbx,%rax; pop %rbx; ret")
														FUNCTION(
															no_return_address,
															"push %rbx; call malloc@PLT; mov %rax,8(%rsp); pop %rbx; ret");

static int try_named(const struct elf_symbol *symbol, void *user)
{
	struct subject *s = user;
	struct wrapper w;
	bool yes = !strncmp(symbol->name, "yes_", 4);

	if (!yes && strncmp(symbol->name, "no_", 3) != 0)
		return 0;
	if (find(s, symbol->name, &w) != (yes ? 0 : -ENOENT))
		fail_msg("wrong about %s", symbol->name);
	s->judged++;
	return 0;
}

static void assembled_functions_are_judged_as_their_names_say(void **state)
{
	struct subject s;
	struct wrapper w;

	(void)state;
	open_subject(&s, assemble(assembled, ""));
	elf_file_for_each_symbol(s.file, try_named, &s);
	assert_int_equal(s.judged, 37);
	w = found(&s, "yes_cmov");
	assert_int_equal(w.result_offset, 16);
	close_subject(&s);
}

static void too_much_code_is_refused(void **state)
{
	struct subject s;
	struct wrapper w;

	(void)state;
	open_subject(
		&s,
		assemble(".text\n" FUNCTION(nops, "push %rbx; call malloc@PLT; .rept 600; nop;"
						  ".endr; pop %rbx; ret")
				 FUNCTION(bytes, "push %rbx; call malloc@PLT; jmp 1f; .skip 3000;"
						 "1: pop %rbx; ret")
					 FUNCTION(fits,
						  "push %rbx; call malloc@PLT; jmp 1f; .skip 300;"
						  "1: pop %rbx; ret"),
			 ""));
	assert_int_equal(find(&s, "nops", &w), -ENOENT);
	assert_int_equal(find(&s, "bytes", &w), -ENOENT);
	assert_int_equal(find(&s, "fits", &w), 0);
	close_subject(&s);
}

static void every_allocation_may_fail(void **state)
{
	struct elf_file *file;
	struct subject s;
	uint64_t start;

	(void)state;
	file = assemble(assembled, "");
	start = label(file, "yes_compared");
	goals_of(file, s.goals);
	for (long n = 1;; n++) {
		struct module_code *code = NULL;
		struct wrapper_finder *finder = NULL;
		struct wrapper w;
		int err;

		oom_arm(n);
		err = module_code_new(file, s.goals, GOAL_COUNT, &code);
		if (!err)
			err = wrapper_finder_new(module_code_view(code), &finder);
		if (!err)
			err = wrapper_find(finder, start, start + 28, &w);
		wrapper_finder_free(finder);
		module_code_free(code);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			break;
		}
		/* one that only remembers an answer is done without */
		assert_true(err == -ENOMEM || err == 0);
	}
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_that_hand_out_something_else_are_none),
		cmocka_unit_test(what_a_wrapper_returns_and_asks_for_is_told),
		cmocka_unit_test(wrappers_of_wrappers_add_up),
		cmocka_unit_test(assembled_functions_are_judged_as_their_names_say),
		cmocka_unit_test(too_much_code_is_refused),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("code_wrapper", tests, fixture_open, fixture_close);
}
