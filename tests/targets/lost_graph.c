// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lost_graph: blocks that refer to each other at random, some by addresses within them, 60 of them held by a table. Says
 * "ready PID lost N BYTES": those that nothing reaches from the table, by its own walk, and waits. Under LeakSanitizer
 * (build it with -fsanitize=leak) it has that look for leaks first. --seed=N: another graph; --nodes=N.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "truth.h"

enum { EDGES = 3, HELD = 60 };

struct node {
	struct node *volatile out[EDGES];
	unsigned int number;
	size_t bytes;
};

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static struct node *volatile held[HELD];
static unsigned long state;

static unsigned long draw(unsigned long below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

/*
 * What the walk notes must hold nothing: addresses are kept inverted, and all of it is unmapped before anybody looks.
 */
struct walk {
	unsigned long *inverted; /* of each node */
	unsigned int *todo;
	unsigned char *reached;
	size_t bytes;
};

static struct walk walk_begin(unsigned int count)
{
	size_t each = sizeof(unsigned long) + sizeof(unsigned int) + 1;
	char *memory = mmap(NULL, count * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return (struct walk){(unsigned long *)memory,
			     (unsigned int *)(memory + count * sizeof(unsigned long)),
			     (unsigned char *)memory + count * (each - 1), count * each};
}

static struct node *node_at(const struct walk *walk, unsigned int number)
{
	return (struct node *)~walk->inverted[number];
}

TRUTH_FN static void make_nodes(struct walk *walk, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		size_t bytes = sizeof(struct node) + draw(400);
		struct node *node = calloc(1, bytes);

		node->number = i;
		node->bytes = bytes;
		walk->inverted[i] = ~(unsigned long)node;
	}
	for (unsigned int i = 0; i < count; i++)
		for (int k = 0; k < EDGES; k++)
			if (draw(100) < 38)
				node_at(walk, i)->out[k] =
					(struct node *)((char *)node_at(walk, draw(count)) +
							8 * draw(4));
	for (int i = 0; i < HELD; i++)
		held[i] = node_at(walk, draw(count));
}

/* Edges may lead into a node, by less than its first member's size. */
static void reach(struct walk *walk, const struct node *to, unsigned int count,
		  unsigned int *todo_count)
{
	for (unsigned int off = 0; to && off < 4; off++) {
		const struct node *node = (const struct node *)((const char *)to - 8 * off);

		if (node->number >= count || node_at(walk, node->number) != node)
			continue;
		if (!walk->reached[node->number])
			walk->todo[(*todo_count)++] = node->number;
		walk->reached[node->number] = 1;
		return;
	}
}

TRUTH_FN static void count_lost(struct walk *walk, unsigned int count)
{
	unsigned int todo = 0, lost = 0;
	size_t bytes = 0;

	for (int i = 0; i < HELD; i++)
		reach(walk, held[i], count, &todo);
	while (todo) {
		const struct node *node = node_at(walk, walk->todo[--todo]);

		for (int k = 0; k < EDGES; k++)
			reach(walk, node->out[k], count, &todo);
	}
	for (unsigned int i = 0; i < count; i++) {
		lost += !walk->reached[i];
		bytes += walk->reached[i] ? 0 : node_at(walk, i)->bytes;
	}
	munmap(walk->inverted, walk->bytes);
	printf("ready %d lost %u %zu\n", getpid(), lost, bytes);
}

/* What lay on the stack is written over. */
TRUTH_FN static void forget(void)
{
	volatile char old[65536];

	memset((char *)old, 0, sizeof(old));
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	unsigned int count = (unsigned int)truth_argument(argc, argv, "--nodes", 20000);
	struct walk walk = walk_begin(count);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = (unsigned long)truth_argument(argc, argv, "--seed", 1);
	make_nodes(&walk, count);
	count_lost(&walk, count);
	forget();
	fflush(stdout);
	if (__lsan_do_recoverable_leak_check)
		(void)__lsan_do_recoverable_leak_check();
	pause();
	return 0;
}
