// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Allocates and frees at random and keeps account of it outside the heap: heap_account SEED THREADS STEPS MODE…
 * MODE: many (a mapping for each block of a page or more), one (a single arena), long (long chains in fast bins),
 * trim, grow (realloc, mostly). Built and run by test_heap_glibc.c; says its pid, and on each byte read its account:
 * a count, then address and usable bytes of each block. "churn": goes on at random after the first account.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/random.h"

#define SLOTS   20000
#define CHAIN   100000
#define THREADS 64

struct worker {
	uint64_t random;
	uint64_t steps;
	uintptr_t *slots; /* inverted in churn: see hold() */
	pthread_t thread;
};

static struct worker workers[THREADS];
static unsigned int worker_count;
static bool many, one, chains, trim, grow, churn;
static pthread_barrier_t parked;
static volatile bool go_on;

static uint64_t draw(struct worker *w, uint64_t below)
{
	return random_next(&w->random) % below;
}

static size_t draw_size(struct worker *w)
{
	uint64_t kind = draw(w, 1000);

	if (kind < 700)
		return 1 + draw(w, 200);
	if (kind < 930)
		return 1 + draw(w, 4000);
	if (kind < 995)
		return 1 + draw(w, 60000);
	return 1 + draw(w, 1 << 20);
}

/* @ret_aligned: it is never resized (where it lies in its mapping is known to malloc only). */
static void *allocate(struct worker *w, bool *ret_aligned)
{
	uint64_t way = draw(w, 100);
	size_t size = draw_size(w);
	void *p;

	*ret_aligned = way < 5;
	if (way < 5)
		p = aligned_alloc(16ul << draw(w, 9), size);
	else if (way < 20)
		p = calloc(1, size);
	else
		p = malloc(size);
	if (!p)
		_exit(3);
	memset(p, 0x5a, size < 64 ? size : 64);
	return p;
}

static void step(struct worker *w)
{
	uintptr_t *slot = &w->slots[draw(w, SLOTS)];
	bool aligned = *slot & 1;
	void *p = (void *)(*slot & ~1ul);

	if (!p) {
		p = allocate(w, &aligned);
		*slot = (uintptr_t)p | aligned;
	} else if (!aligned && draw(w, 100) < (grow ? 60 : 15)) {
		p = realloc(p, draw_size(w));
		if (!p)
			_exit(3);
		*slot = (uintptr_t)p;
	} else {
		*slot = 0;
		free(p);
	}
}

/* Chains of blocks in fast bins, longer than any stack or table. */
static void make_chains(void)
{
	void **blocks = mmap(NULL, CHAIN * sizeof(*blocks), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t size = 24; size <= 104; size += 16) {
		for (size_t i = 0; i < CHAIN / 2; i++)
			blocks[i] = malloc(size);
		for (size_t i = 0; i < CHAIN / 2; i++)
			free(blocks[i]);
	}
	munmap(blocks, CHAIN * sizeof(*blocks));
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (uint64_t i = 0; i < w->steps; i++)
		step(w);
	if (chains)
		make_chains();
	pthread_barrier_wait(&parked);
	while (churn) {
		while (!go_on)
			usleep(1000);
		for (int i = 0; i < 1000; i++)
			step(w);
	}
	if (w != workers)
		pause();
	return NULL;
}

static void tell_all(const void *bytes, size_t size)
{
	while (size) {
		ssize_t got = write(1, bytes, size);

		if (got <= 0)
			_exit(0);
		bytes = (const char *)bytes + got;
		size -= (size_t)got;
	}
}

static void tell(void)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < worker_count; i++)
		for (size_t k = 0; k < SLOTS; k++)
			count += workers[i].slots[k] != 0;
	tell_all(&count, sizeof(count));
	for (unsigned int i = 0; i < worker_count; i++)
		for (size_t k = 0; k < SLOTS; k++) {
			void *p = (void *)(workers[i].slots[k] & ~1ul);
			uint64_t entry[2] = {(uintptr_t)p, p ? malloc_usable_size(p) : 0};

			if (p)
				tell_all(entry, sizeof(entry));
		}
}

static void set_modes(char **modes)
{
	for (; *modes; modes++) {
		many |= !strcmp(*modes, "many");
		one |= !strcmp(*modes, "one");
		chains |= !strcmp(*modes, "long");
		trim |= !strcmp(*modes, "trim");
		grow |= !strcmp(*modes, "grow");
		churn |= !strcmp(*modes, "churn");
	}
	if (many)
		mallopt(M_MMAP_THRESHOLD, 4096);
	if (one)
		mallopt(M_ARENA_MAX, 1);
	if (chains)
		mallopt(M_MXFAST, 160);
}

static void answer(void)
{
	pid_t self = getpid();
	char order;

	for (;;) {
		tell_all(&self, sizeof(self));
		if (read(0, &order, 1) != 1)
			_exit(0);
		if (order == 'a')
			tell();
		go_on = order == 'c';
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 64;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker_count = (unsigned int)atoi(argv[2]);
	set_modes(argv + 4);
	pthread_barrier_init(&parked, NULL, worker_count);
	for (unsigned int i = worker_count; i--;) {
		struct worker *w = &workers[i];

		w->random = (uint64_t)atoll(argv[1]) * 0x9e3779b97f4a7c15 + i + 1;
		w->steps = (uint64_t)atoll(argv[3]);
		w->slots = mmap(NULL, SLOTS * sizeof(*w->slots), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (i || churn)
			pthread_create(&w->thread, NULL, work, w);
		else
			work(w);
	}
	if (trim)
		malloc_trim(0);
	if (churn)
		usleep(200000);
	answer();
}
