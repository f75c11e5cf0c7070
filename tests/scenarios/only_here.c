// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * only_here: a thread holds a list of 400 nodes, by one pointer, and waits. Each act wakes it: it
 * builds a new list and frees the old one, or with --grow=1 it puts 5 nodes before the first.
 * --place: where that pointer is: tls, stack, register, shared (a mapping), readonly (a page that is
 * opened only to write it).
 */
#include "course.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { NODES = 400, NODES_MORE = 5, PAGE = 4096 };

struct node {
	struct node *next;
	char text[60];
};

static struct {
	int pipe[2];
	int grow;
	struct node **page; /* of the places that are a mapping */
	int sealed;
} here;

static __thread struct node *own;

APART static struct node *make_node(struct node *next)
{
	struct node *node = sure(malloc(sizeof(*node)));

	node->next = next;
	memset(node->text, 'n', sizeof(node->text));
	return node;
}

APART static struct node *renew_list(struct node *old)
{
	struct node *list = here.grow ? old : NULL;

	for (int i = 0; i < (here.grow ? NODES_MORE : NODES); i++)
		list = make_node(list);
	if (here.grow)
		course_grew((long)(NODES_MORE * sizeof(struct node)));
	while (!here.grow && old) {
		struct node *next = old->next;

		free(old);
		old = next;
	}
	return list;
}

static void wait_turn(void)
{
	char turn;

	if (read(here.pipe[0], &turn, 1) != 1)
		abort();
}

APART static void renew_at(struct node **place)
{
	if (here.sealed)
		mprotect(here.page, PAGE, PROT_READ | PROT_WRITE);
	*place = renew_list(*place);
	if (here.sealed)
		mprotect(here.page, PAGE, PROT_READ);
}

static void *hold_at_place(void *unused)
{
	(void)unused;
	for (;;) {
		renew_at(here.page ? here.page : &own);
		work_scrub();
		wait_turn();
	}
	return NULL;
}

static void *hold_on_stack(void *unused)
{
	struct node *volatile list = NULL;

	(void)unused;
	for (;;) {
		list = renew_list(list);
		work_scrub();
		wait_turn();
	}
	return NULL;
}

/* The call is made here, because a function would save the register on the stack. */
static void *hold_in_register(void *unused)
{
	register struct node *list __asm__("r12") = NULL;

	(void)unused;
	for (;;) {
		long result = SYS_read;
		char turn;

		list = renew_list(list);
		work_scrub();
		__asm__ volatile("syscall"
				 : "+a"(result), "+r"(list)
				 : "D"(here.pipe[0]), "S"(&turn), "d"(1)
				 : "rcx", "r11", "memory");
	}
	return NULL;
}

static void make_page(int shared)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);

	if (page == MAP_FAILED)
		abort();
	here.page = page;
	here.sealed = !shared;
}

int main(int argc, char **argv)
{
	void *(*hold)(void *) = hold_at_place;
	pthread_t thread;

	course_begin(argc, argv, 4);
	here.grow = (int)course_number("--grow", 0);
	if (course_is("--place", "stack", "tls"))
		hold = hold_on_stack;
	else if (course_is("--place", "register", "tls"))
		hold = hold_in_register;
	else if (!course_is("--place", "tls", "tls"))
		make_page(course_is("--place", "shared", "tls"));
	if (pipe(here.pipe) || pthread_create(&thread, NULL, hold, NULL))
		abort();
	while (course_step())
		if (write(here.pipe[1], "", 1) != 1)
			abort();
	return 0;
}
