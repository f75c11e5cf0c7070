// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * alloca_realign: frames whose size only run time knows, and frames that realign the stack. Each
 * declared function calls a plain helper that allocates, so that unwinding has to go through the
 * frame in question; with_all calls the others, through itself.
 *
 * with_alloca, with_array: stack pointer restored from rbp. with_alignment: 64-byte aligned locals.
 * with_aligned_alloca: both, so that gcc keeps the caller's frame behind a saved pointer (DRAP), whose
 * unwind rule is an expression. with_many_registers: all callee-saved registers pushed.
 */
#include "truth.h"

#include <alloca.h>

TRUTH_SITE(with_alloca);
TRUTH_SITE(with_array);
TRUTH_SITE(with_alignment);
TRUTH_SITE(with_aligned_alloca);
TRUTH_SITE(with_many_registers);
TRUTH_SITE(with_all);

TRUTH_FN static void *helper(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	return p;
}

TRUTH_FN static void with_alloca(size_t n)
{
	char *pad = alloca(n);

	TRUTH_HIDE(pad);
	helper(n);
	TRUTH_ALLOC(with_alloca, n);
	memset(pad, 0, n);
	TRUTH_HIDE(pad);
}

TRUTH_FN static void with_array(size_t n)
{
	char array[n];
	char *pad = array;

	TRUTH_HIDE(pad);
	helper(n);
	TRUTH_ALLOC(with_array, n);
	memset(pad, 0, n);
	TRUTH_HIDE(pad);
}

TRUTH_FN static void with_alignment(size_t n)
{
	_Alignas(64) char aligned[128];
	char *pad = aligned;

	TRUTH_HIDE(pad);
	helper(n);
	TRUTH_ALLOC(with_alignment, n);
	memset(pad, 0, sizeof(aligned));
	TRUTH_HIDE(pad);
}

/* A struct of this size comes on the stack, so the caller's frame is needed after the realignment. */
struct on_stack {
	size_t numbers[6];
};

TRUTH_FN static void with_aligned_alloca(size_t n, struct on_stack more_bytes)
{
	size_t bytes = n + more_bytes.numbers[0] + more_bytes.numbers[5];
	_Alignas(128) char aligned[256];
	char *pad = aligned;
	char *more = alloca(n);

	TRUTH_HIDE(pad);
	TRUTH_HIDE(more);
	helper(bytes);
	TRUTH_ALLOC(with_aligned_alloca, bytes);
	memset(pad, 0, sizeof(aligned));
	memset(more, 0, n);
	TRUTH_HIDE(pad);
	TRUTH_HIDE(more);
}

TRUTH_FN static void with_many_registers(size_t n)
{
	__asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15");
	helper(n);
	__asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15");
	TRUTH_ALLOC(with_many_registers, n);
}

TRUTH_FN static void with_all(size_t n, int depth)
{
	_Alignas(32) char aligned[64];
	char *pad = aligned, *more = alloca(n);

	TRUTH_HIDE(pad);
	TRUTH_HIDE(more);
	with_alloca(n);
	with_array(n);
	with_alignment(n);
	with_aligned_alloca(n, (struct on_stack){{1, 2, 3, 4, 5, 6}});
	with_many_registers(n);
	helper(n);
	TRUTH_ALLOC(with_all, n);
	if (depth > 0)
		with_all(n, depth - 1);
	memset(more, 0, n);
	TRUTH_HIDE(pad);
	TRUTH_HIDE(more);
}

int main(int argc, char **argv)
{
	truth_begin(argc, argv);
	for (size_t n = 1; n < 3000; n += 101)
		with_all(n, 3);
	truth_end();
	return 0;
}
