// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * graph: each act builds a group of 8 nodes, --shape=ring or list, that point to each other, and the
 * only pointer from outside is to the first. 20 groups are held; the oldest is freed node by node,
 * or with --forget=1 its pointer is overwritten.
 */
#include "course.h"

enum { NODES = 8, HELD = 20 };

struct node {
	struct node *next, *previous;
	char text[80];
};

static struct node *held[HELD];

APART static struct node *add_node(struct node *next, unsigned long number)
{
	struct node *node = sure(malloc(sizeof(*node)));

	node->next = next;
	node->previous = NULL;
	snprintf(node->text, sizeof(node->text), "node %lu", number);
	return node;
}

static struct node *build_list(unsigned long number)
{
	struct node *first = NULL;

	for (int i = 0; i < NODES; i++)
		first = add_node(first, number);
	return first;
}

static void close_ring(struct node *first)
{
	struct node *last = first;

	for (; last->next; last = last->next)
		last->next->previous = last;
	last->next = first;
	first->previous = last;
}

static void free_group(struct node *node)
{
	for (int i = 0; i < NODES && node; i++) {
		struct node *next = node->next;

		free(node);
		node = next;
	}
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 10);
	int ring = course_is("--shape", "ring", "ring");
	int forget = (int)course_number("--forget", 1);

	while (course_step()) {
		struct node **slot = &held[course.steps % HELD];

		if (!forget)
			free_group(*slot);
		else if (*slot)
			course_grew(NODES * sizeof(struct node));
		*slot = build_list(course.steps);
		if (ring)
			close_ring(*slot);
	}
	return 0;
}
