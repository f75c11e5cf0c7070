/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's walk, on the host: stacks made by hand, one rule each, whose frames are known; and this program's own
 * stacks, by the rows of its own modules, against libgcc's unwinder. That the kernel's maps give it the right rules
 * is what tests/load looks at.
 */
#include <alloca.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <unwind.h>

#include "bpfcore/host.h"
#include "cmocka_all.h"
#include "process/elf/elf_file.h"
#include "process/elf/unwind_table.h"

#define STACK 0x7ffc00010000ull
#define LEAF  0x1000ull
#define OUTER 0x2000ull /* what is called from there is outermost */

/* LEAF's rule is the one under test. */
static const struct hf_unwind_rule *find_by_hand(void *context, uint64_t pc)
{
	static const struct hf_unwind_rule outermost = {.cfa_kind = HF_CFA_STOP};

	if (pc >= OUTER && pc < OUTER + 0x100)
		return &outermost;
	return pc >= LEAF && pc < LEAF + 0x100 ? context : NULL;
}

struct made {
	uint64_t words[1024];
	uint64_t pcs[HF_MAX_FRAMES];
	struct hf_unwind u;
};

static void walk_made(struct made *m, uint64_t pc, uint64_t bp, struct hf_unwind_rule rule)
{
	host_memory.bytes = (const uint8_t *)m->words;
	host_memory.base = STACK;
	host_memory.size = sizeof(m->words);
	hf_unwind_begin(&m->u, pc, STACK + 64, bp, 1);
	host_walk(&m->u, find_by_hand, &rule, m->pcs);
	host_memory.bytes = NULL;
}

/* Two frames: LEAF's and the one that called from OUTER, whose registers are these. */
static void assert_caller(const struct made *m, uint64_t sp, uint64_t bp)
{
	assert_int_equal(m->u.end, HF_STACK_COMPLETE);
	assert_int_equal(m->u.depth, 2);
	assert_int_equal(m->pcs[1], OUTER + 8);
	assert_int_equal(m->u.sp, sp);
	assert_int_equal(m->u.bp, bp);
}

static void cfa_from_rsp(void **state)
{
	struct made m = {.words = {[12] = 77, [13] = OUTER + 8}};

	(void)state;
	walk_made(&m, LEAF, 5, (struct hf_unwind_rule){HF_CFA_SP, HF_BP_CFA, -16, 48});
	assert_caller(&m, STACK + 112, 77);
}

static void cfa_from_rbp(void **state)
{
	struct made m = {.words = {[20] = 77, [21] = OUTER + 8}};

	(void)state;
	walk_made(&m, LEAF, STACK + 160, (struct hf_unwind_rule){HF_CFA_BP, HF_BP_CFA, -16, 16});
	assert_caller(&m, STACK + 176, 77);
}

static void cfa_read_from_a_realigned_frame(void **state)
{
	struct made m = {.words = {[19] = STACK + 240, [20] = 77, [29] = OUTER + 8}};

	(void)state;
	walk_made(&m, LEAF, STACK + 160, (struct hf_unwind_rule){HF_CFA_DEREF_BP, HF_BP_BP, 0, -8});
	assert_caller(&m, STACK + 240, 77);
}

static void cfa_read_through_rsp(void **state)
{
	struct made m = {.words = {[10] = STACK + 240, [29] = OUTER + 8}};

	(void)state;
	walk_made(&m, LEAF, 5, (struct hf_unwind_rule){HF_CFA_DEREF_SP, HF_BP_UNDEFINED, 0, 16});
	assert_caller(&m, STACK + 240, 0);
}

static void plt_slot_before_and_after_its_push(void **state)
{
	const struct hf_unwind_rule plt = {.cfa_kind = HF_CFA_PLT, .cfa_offset = 11};
	struct made before = {.words = {[8] = OUTER + 8}}, after = {.words = {[9] = OUTER + 8}};

	(void)state;
	walk_made(&before, LEAF + 10, 5, plt);
	assert_caller(&before, STACK + 72, 5);
	walk_made(&after, LEAF + 11, 5, plt);
	assert_caller(&after, STACK + 80, 5);
}

/* gregs at rsp + 40: rbp 10th, rsp 15th, rip 16th. The interrupted pc is no return address. */
static void signal_frame_goes_on_where_it_interrupted(void **state)
{
	struct made m = {.words = {[8 + 15] = 77, [8 + 20] = STACK + 8, [8 + 21] = OUTER}};

	(void)state;
	walk_made(&m, LEAF, 5, (struct hf_unwind_rule){.cfa_kind = HF_CFA_SIGNAL});
	assert_int_equal(m.u.end, HF_STACK_COMPLETE);
	assert_int_equal(m.pcs[1], OUTER);
	assert_int_equal(m.u.sp, STACK + 8);
	assert_int_equal(m.u.bp, 77);
}

static void code_without_a_row_is_walked_by_frame_pointer(void **state)
{
	struct made m = {.words = {[20] = 77, [21] = OUTER + 8}};

	(void)state;
	walk_made(&m, 0x9000, STACK + 160, (struct hf_unwind_rule){0});
	assert_caller(&m, STACK + 176, 77);
	assert_int_equal(m.u.jit_frames, 1);
}

static void what_cannot_be_walked_says_why(void **state)
{
	const struct hf_unwind_rule unsupported = {.cfa_kind = HF_CFA_UNSUPPORTED};
	const struct hf_unwind_rule falling = {.cfa_kind = HF_CFA_SP, .cfa_offset = -8};
	const struct hf_unwind_rule far = {.cfa_kind = HF_CFA_SP, .cfa_offset = 1 << 20};
	const struct hf_unwind_rule word = {.cfa_kind = HF_CFA_SP, .cfa_offset = 8};
	struct made m = {.words = {0}};

	(void)state;
	walk_made(&m, LEAF, 5, unsupported);
	assert_int_equal(m.u.end, HF_STACK_UNSUPPORTED);
	walk_made(&m, LEAF, 5, falling);
	assert_int_equal(m.u.end, HF_STACK_NOT_RISING);
	walk_made(&m, LEAF, 5, far);
	assert_int_equal(m.u.end, HF_STACK_FAULT);
	walk_made(&m, 0x9000, 5, word);
	assert_int_equal(m.u.end, HF_STACK_JIT);
	for (size_t i = 0; i < 1024; i++)
		m.words[i] = LEAF + 1;
	walk_made(&m, LEAF, 5, word);
	assert_int_equal(m.u.end, HF_STACK_TRUNCATED);
	assert_int_equal(m.u.depth, HF_MAX_FRAMES);
}

/* This program's modules. */
struct module {
	uint64_t bias;
	struct elf_file *file;
	struct unwind_table table;
};

struct modules {
	struct unwind_rules *rules;
	struct module items[64];
	size_t count;
};

static int add_module(struct dl_phdr_info *info, size_t size, void *user)
{
	struct modules *all = user;
	struct module *m = &all->items[all->count];
	const char *path = info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe";

	(void)size;
	if (all->count == 64 || elf_file_open_path(path, &m->file))
		return 0; /* the vdso has no file */
	assert_int_equal(unwind_table_init(&m->table, m->file, all->rules), 0);
	m->bias = info->dlpi_addr;
	all->count++;
	return 0;
}

static const struct hf_unwind_rule *find_in_modules(void *context, uint64_t pc)
{
	const struct modules *all = context;

	for (size_t i = 0; i < all->count; i++) {
		uint16_t number =
			pc < all->items[i].bias
				? 0
				: unwind_table_find(&all->items[i].table, pc - all->items[i].bias);

		if (number)
			return unwind_rules_at(all->rules, number);
	}
	return NULL;
}

struct libgcc {
	uint64_t pcs[HF_MAX_FRAMES];
	unsigned int depth;
};

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *user)
{
	struct libgcc *walk = user;

	/* It shows the end, too, as a frame at 0. */
	if (walk->depth < HF_MAX_FRAMES && _Unwind_GetIP(context))
		walk->pcs[walk->depth++] = _Unwind_GetIP(context);
	return _URC_NO_REASON;
}

static struct modules modules;
static unsigned int compared;

/* The frames above this one, by both. */
static __attribute__((noinline)) void compare_here(void)
{
	static struct libgcc theirs;
	static uint64_t ours[HF_MAX_FRAMES];
	static struct hf_unwind u;
	uint64_t pc, sp, bp;

	theirs.depth = 0;
	__asm__ volatile("lea 0(%%rip), %0; mov %%rsp, %1; mov %%rbp, %2"
			 : "=&r"(pc), "=&r"(sp), "=&r"(bp));
	hf_unwind_begin(&u, pc, sp, bp, 1);
	host_walk(&u, find_in_modules, &modules, ours);
	_Unwind_Backtrace(on_frame, &theirs);
	assert_int_equal(u.end, HF_STACK_COMPLETE);
	assert_int_equal(u.jit_frames, 0);
	assert_int_equal(u.depth, theirs.depth);
	for (unsigned int i = 1; i < u.depth; i++)
		assert_int_equal(ours[i], theirs.pcs[i]);
	compared++;
}

static __attribute__((noinline)) void recurse(int depth)
{
	if (depth)
		recurse(depth - 1);
	else
		compare_here();
	__asm__ volatile("");
}

static __attribute__((noinline)) void with_variable_frame(size_t size)
{
	volatile char *bytes = alloca(size);
	_Alignas(64) volatile char aligned[64];

	bytes[0] = aligned[0] = 1;
	recurse(3);
	__asm__ volatile("" ::"r"(bytes), "r"(aligned));
}

static int by_value(const void *a, const void *b)
{
	if (compared < 4)
		recurse(1);
	return *(const int *)a - *(const int *)b;
}

static void on_signal(int number)
{
	(void)number;
	recurse(2);
}

static int load_modules(void **state)
{
	(void)state;
	if (unwind_rules_new(&modules.rules))
		return -1;
	dl_iterate_phdr(add_module, &modules);
	return modules.count ? 0 : -1;
}

static int free_modules(void **state)
{
	(void)state;
	for (size_t i = 0; i < modules.count; i++) {
		unwind_table_done(&modules.items[i].table);
		elf_file_free(modules.items[i].file);
	}
	unwind_rules_free(modules.rules);
	return 0;
}

static void own_stacks_are_libgccs(void **state)
{
	(void)state;
	compared = 0;
	for (int depth = 0; depth < 100; depth++)
		recurse(depth);
	assert_int_equal(compared, 100);
}

static void own_stacks_through_alloca_and_realigned_frames_are_libgccs(void **state)
{
	(void)state;
	compared = 0;
	for (size_t size = 1; size < 3000; size += 97)
		with_variable_frame(size);
	assert_true(compared > 20);
}

static void own_stacks_through_a_library_are_libgccs(void **state)
{
	int numbers[] = {3, 1, 2, 5, 4};

	(void)state;
	compared = 0;
	qsort(numbers, 5, sizeof(numbers[0]), by_value);
	assert_true(compared > 2);
}

static void own_stacks_on_a_signals_alternate_stack_are_libgccs(void **state)
{
	static char memory[1 << 18];
	const stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
	const stack_t none = {.ss_flags = SS_DISABLE};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	(void)state;
	compared = 0;
	assert_int_equal(sigaltstack(&stack, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	assert_int_equal(compared, 1);
	sigaltstack(&none, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfa_from_rsp),
		cmocka_unit_test(cfa_from_rbp),
		cmocka_unit_test(cfa_read_from_a_realigned_frame),
		cmocka_unit_test(cfa_read_through_rsp),
		cmocka_unit_test(plt_slot_before_and_after_its_push),
		cmocka_unit_test(signal_frame_goes_on_where_it_interrupted),
		cmocka_unit_test(code_without_a_row_is_walked_by_frame_pointer),
		cmocka_unit_test(what_cannot_be_walked_says_why),
		cmocka_unit_test(own_stacks_are_libgccs),
		cmocka_unit_test(own_stacks_through_alloca_and_realigned_frames_are_libgccs),
		cmocka_unit_test(own_stacks_through_a_library_are_libgccs),
		cmocka_unit_test(own_stacks_on_a_signals_alternate_stack_are_libgccs),
	};

	return cmocka_run_group_tests_name("core_unwind", tests, load_modules, free_modules);
}
