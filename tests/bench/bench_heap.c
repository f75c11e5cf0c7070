/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A heap to look at: MIB mebibytes in a list of blocks of BYTES each, and for every thousandth of them one more block
 * that is lost. Prints "BLOCKS LOST", then waits to be killed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 16 /* of a chunk */
#define LOST_EVERY   1000
#define LOST_BYTES   72
#define STACK_BYTES  8192

struct node {
	struct node *next;
};

static struct node *volatile held;
static void *volatile last;

static __attribute__((noinline)) size_t fill(size_t blocks, size_t bytes)
{
	size_t lost = 0;

	for (size_t i = 0; i < blocks; i++) {
		struct node *node = malloc(bytes);

		memset(node, (int)(i * 7 + 1), bytes);
		node->next = held;
		held = node;
		if (i % LOST_EVERY)
			continue;
		last = malloc(LOST_BYTES);
		memset(last, 1, LOST_BYTES);
		lost++;
	}
	last = NULL;
	return lost;
}

/* What lay on the stack is written over. */
static __attribute__((noinline)) void forget(void)
{
	volatile char old[STACK_BYTES];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
}

int main(int argc, char **argv)
{
	size_t mebibytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 1008;
	size_t blocks = (mebibytes << 20) / (bytes + HEADER_BYTES), lost;

	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	lost = fill(blocks, bytes);
	forget();
	printf("%zu %zu\n", blocks, lost);
	fflush(stdout);
	for (;;)
		pause();
}
