/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap_blocks.h: a program that knows which blocks it holds and which it has lost, while three threads of it allocate
 * and free (tests/load/test_heap_walkers.c looks at it from outside). One allocator each: the files that include this.
 *
 * On stdin one byte is one order, each answered by one line:
 *	l	loses blocks of all kinds: "lost COUNT BYTES", of all that are lost by now; bytes are usable ones
 *	f	frees a thread's worth of blocks in another thread: "freed"
 * The first line is "ready HELD": so many nodes of 48 bytes are held, each by the one before it.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELD = 3000, THREADS = 3, KEPT = 512, BURST = 200, LOST = 500, PAIRS = 40 };

struct node {
	struct node *next;
	uint64_t payload[5];
};

static struct node *volatile list;
static void *volatile anchor;
/* Also in memory: a look without a stop sees no registers. */
static __thread void **volatile kept_here;
static uint64_t lost_count, lost_bytes;

/* No block of the nodes' size class. */
static size_t churn_size(unsigned int random)
{
	unsigned int kind = random % 100;

	return kind < 80   ? 100 + random / 128 % 500
	       : kind < 98 ? 500 + random / 128 % 8000
			   : 500 + random / 128 % 100000;
}

static void *churn(void *seed)
{
	unsigned int state = (unsigned int)(uintptr_t)seed * 7919 + 1;
	void **kept = calloc(KEPT, sizeof(*kept));
	struct timespec nap = {0, 200000};

	kept_here = kept;
	while (kept) {
		for (int i = 0; i < BURST; i++) {
			unsigned int slot;
			size_t size;

			state = state * 1103515245 + 12345;
			slot = state / 256 % KEPT;
			size = churn_size(state / 8);
			free(kept[slot]);
			/* All of it: what lay there before may be a pointer to a lost block. */
			kept[slot] = memset(malloc(size), 1, size);
		}
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void hold(void)
{
	for (int i = 0; i < HELD; i++) {
		struct node *node = malloc(sizeof(*node));

		memset(node, 1, sizeof(*node));
		node->next = list;
		list = node;
	}
}

static void *noted(void *block)
{
	lost_count++;
	lost_bytes += malloc_usable_size(block);
	anchor = block;
	return block;
}

static __attribute__((noinline)) void lose(void)
{
	static const size_t sizes[] = {0,      1,      8,      9,       16,     17,    130,
				       1000,   3000,   4096,   14000,   16384,  20000, 100000,
				       131052, 131053, 300000, 4 << 20, 9 << 20};
	void *aligned;

	for (int i = 0; i < LOST; i++)
		memset(noted(malloc(72)), 2, 72);
	for (int i = 0; i < PAIRS; i++) {
		struct node *a = noted(malloc(104)), *b = noted(malloc(104));

		a->next = b;
		b->next = a;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		noted(malloc(sizes[i]));
	for (size_t align = 32; align <= 32768; align *= 2)
		for (size_t size = align / 2; size <= align * 2; size *= 2)
			if (!posix_memalign(&aligned, align, size))
				noted(aligned);
	anchor = NULL;
	aligned = NULL;
}

static __attribute__((target("avx"))) void clear_vectors(void)
{
	__asm__ volatile("vzeroall" ::: "memory");
}

/* What lay on the stack and in vector registers is written over: only what is really held stays. */
static __attribute__((noinline)) void forget(void)
{
	volatile uint8_t old[16384];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
	if (__builtin_cpu_supports("avx"))
		clear_vectors();
}

static void *free_all(void *blocks)
{
	for (int i = 0; i < KEPT; i++)
		free(((void **)blocks)[i]);
	return NULL;
}

static void free_elsewhere(void)
{
	void **blocks = calloc(KEPT, sizeof(*blocks));
	pthread_t thread;

	for (int i = 0; i < KEPT; i++)
		blocks[i] = malloc(200);
	if (!pthread_create(&thread, NULL, free_all, blocks))
		pthread_join(thread, NULL);
	free(blocks);
}

int main(void)
{
	pthread_t thread;
	char order;

	hold();
	for (uintptr_t i = 1; i <= THREADS; i++)
		if (pthread_create(&thread, NULL, churn, (void *)i))
			return 1;
	dprintf(1, "ready %d\n", HELD);
	while (read(0, &order, 1) == 1) {
		if (order == 'l') {
			lose();
			forget();
			dprintf(1, "lost %llu %llu\n", (unsigned long long)lost_count,
				(unsigned long long)lost_bytes);
		} else if (order == 'f') {
			free_elsewhere();
			forget();
			dprintf(1, "freed\n");
		}
		forget(); /* what printing left behind */
	}
	return 0;
}
