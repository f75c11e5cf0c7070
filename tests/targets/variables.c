// SPDX-License-Identifier: GPL-2.0-or-later
// build: -O2 -fomit-frame-pointer -pthread
/*
 * variables: what holds its blocks are variables of functions. keep_list: 300 blocks of 200 B, a list; keep_table: 400 of
 * 1,000 B in a table of variable length, 20 calls of descend() above keep_list; keep_array: 100 of 5,000 B, in a thread of
 * its own. Waits until it is killed.
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define APART __attribute__((noipa))

struct node {
	struct node *next;
	char bytes[192];
};

static void *filled(size_t bytes)
{
	return memset(malloc(bytes), 0x81, bytes);
}

APART static void wait_for_end(void *const volatile *held)
{
	while (*held)
		pause();
}

APART static void keep_list(int blocks)
{
	struct node *volatile list = NULL;

	for (int i = 0; i < blocks; i++) {
		struct node *node = filled(sizeof(*node));

		node->next = list;
		list = node;
	}
	printf("ready %d\n", getpid());
	fflush(stdout);
	wait_for_end((void *const volatile *)&list);
}

APART static void descend(int depth)
{
	volatile char room[300];

	memset((char *)room, 1, sizeof(room));
	if (depth)
		descend(depth - 1);
	else
		keep_list(300);
	room[depth] = 2;
}

APART static void keep_table(int blocks)
{
	void **table = alloca((size_t)blocks * sizeof(*table));

	for (int i = 0; i < blocks; i++)
		table[i] = filled(1000);
	descend(20);
	wait_for_end(table);
}

APART static void *keep_array(void *unused)
{
	void *array[100];

	for (int i = 0; i < 100; i++)
		array[i] = filled(5000);
	wait_for_end(array);
	return unused;
}

int main(void)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pthread_create(&thread, NULL, keep_array, NULL))
		return 1;
	keep_table(400);
	return 0;
}
