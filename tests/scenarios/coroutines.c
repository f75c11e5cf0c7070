// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * coroutines: 64 of them, each on a stack of its own, --stack=malloc or mmap (with a guard page). An
 * act lets one go on: it frees the 20 parts that it has, makes others, and rests again; only its own
 * stack refers to them then.
 */
#include "course.h"

#include <sys/mman.h>
#include <ucontext.h>

enum { COROUTINES = 64, PARTS = 20, STACK_BYTES = 64 << 10, GUARD_BYTES = 4096 };

static struct {
	ucontext_t contexts[COROUTINES], main;
	int current;
} flow;

APART static char *make_part(int number)
{
	size_t bytes = 40 + (size_t)number * 8;
	char *part = sure(malloc(bytes));

	memset(part, 'p', bytes);
	return part;
}

static void rest(void)
{
	swapcontext(&flow.contexts[flow.current], &flow.main);
}

static void go_on(void)
{
	char *volatile parts[PARTS];

	for (;;) {
		for (int i = 0; i < PARTS; i++)
			parts[i] = make_part(i);
		rest();
		for (int i = 0; i < PARTS; i++)
			free(parts[i]);
	}
}

static char *make_stack(int mapped)
{
	if (!mapped)
		return malloc(STACK_BYTES);
	char *stack = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED || mprotect(stack, GUARD_BYTES, PROT_NONE))
		abort();
	return stack + GUARD_BYTES;
}

static void start(ucontext_t *context, char *stack)
{
	getcontext(context);
	context->uc_stack.ss_sp = stack;
	context->uc_stack.ss_size = STACK_BYTES;
	context->uc_link = NULL;
	makecontext(context, go_on, 0);
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 100);
	int mapped = course_is("--stack", "mmap", "malloc");

	for (int i = 0; i < COROUTINES; i++)
		start(&flow.contexts[i], make_stack(mapped));
	while (course_step()) {
		flow.current = (int)(work_random(&course.shelf) % COROUTINES);
		swapcontext(&flow.main, &flow.contexts[flow.current]);
	}
	return 0;
}
