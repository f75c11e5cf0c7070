// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * mappings: the program's own mappings, and every way to lose part of one.
 *
 * Bytes are those still mapped, in pages of 4,096; a mapping belongs to the function that made it.
 * mremap belongs to the caller of mremap (the whole new range), and so a mapping that moved or grew
 * leaves its first site. brk and sbrk: what the program itself adds to the break. What malloc maps
 * or adds (pthread_create makes it), and the thread's stack, are not ours.
 */
#include "truth.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGE = 4096 };

TRUTH_MAPPING(map_keep);
TRUTH_MAPPING(map_unmap);
TRUTH_MAPPING(cut_head);
TRUTH_MAPPING(cut_tail);
TRUTH_MAPPING(cut_middle);
TRUTH_MAPPING(cut_odd_length);
TRUTH_MAPPING(unmap_across_two);
TRUTH_MAPPING(remap_source);
TRUTH_MAPPING(remap_grow_in_place);
TRUTH_MAPPING(remap_moves);
TRUTH_MAPPING(remap_shrinks);
TRUTH_MAPPING(remap_fails);
TRUTH_MAPPING(map_raw_syscall);
TRUTH_MAPPING(map_fixed_below);
TRUTH_MAPPING(map_fixed_over);
TRUTH_MAPPING(map_file);
TRUTH_MAPPING(map_shared);
TRUTH_MAPPING(map_in_thread);
TRUTH_MAPPING(grow_break);
TRUTH_MAPPING(failed_calls);
TRUTH_TOLERATE(start_thread_that_maps);

static volatile size_t impossible = SIZE_MAX / 2;

static void *checked(void *p)
{
	if (p == MAP_FAILED)
		_exit(71);
	return p;
}

static inline __attribute__((always_inline)) char *map_pages(size_t pages)
{
	return checked(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0));
}

TRUTH_FN static void map_keep(void)
{
	for (size_t pages = 1; pages <= 10; pages++) {
		memset(map_pages(pages), 1, pages * PAGE);
		TRUTH_ALLOC(map_keep, pages * PAGE);
	}
}

TRUTH_FN static void map_unmap(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = map_pages(16);

		TRUTH_ALLOC(map_unmap, 16 * PAGE);
		munmap(p, 16 * PAGE);
		TRUTH_FREE(map_unmap, 16 * PAGE);
	}
}

TRUTH_FN static void cut_head(void)
{
	char *p = map_pages(2560);

	munmap(p, 100 * PAGE);
	TRUTH_ALLOC(cut_head, 2460 * PAGE);
}

/* 10 MiB, of which 40 KiB stay. */
TRUTH_FN static void cut_tail(void)
{
	char *p = map_pages(2560);

	munmap(p + 10 * PAGE, 2550 * PAGE);
	TRUTH_ALLOC(cut_tail, 10 * PAGE);
}

/* Two holes leave three pieces; then the middle piece goes too. */
TRUTH_FN static void cut_middle(void)
{
	char *p = map_pages(100);

	munmap(p + 20 * PAGE, 10 * PAGE);
	munmap(p + 60 * PAGE, 20 * PAGE);
	munmap(p + 30 * PAGE, 30 * PAGE);
	TRUTH_ALLOC(cut_middle, 40 * PAGE);
}

/* Lengths are rounded up to pages, by mmap and by munmap. */
TRUTH_FN static void cut_odd_length(void)
{
	char *p = checked(mmap(NULL, 10 * PAGE + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	munmap(p, PAGE + 1);
	TRUTH_ALLOC(cut_odd_length, 9 * PAGE);
}

/* One munmap over the end of a mapping, the hole behind it, and the head of the next. */
TRUTH_FN static void unmap_across_two(void)
{
	char *p = map_pages(30);

	munmap(p + 10 * PAGE, 10 * PAGE);
	munmap(p + 5 * PAGE, 20 * PAGE);
	TRUTH_ALLOC(unmap_across_two, 10 * PAGE);
}

TRUTH_FN static char *remap_source(size_t pages)
{
	char *p = map_pages(pages);

	TRUTH_STAY();
	TRUTH_ALLOC(remap_source, pages * PAGE);
	return p;
}

/* There is room behind it, because we make it: no MREMAP_MAYMOVE. */
TRUTH_FN static void remap_grow_in_place(void)
{
	char *p = remap_source(64);

	munmap(p + 8 * PAGE, 56 * PAGE);
	TRUTH_FREE(remap_source, 56 * PAGE);
	checked(mremap(p, 8 * PAGE, 32 * PAGE, 0));
	TRUTH_FREE(remap_source, 8 * PAGE);
	TRUTH_ALLOC(remap_grow_in_place, 32 * PAGE);
}

/* To an address of our choice, which replaces what is there. */
TRUTH_FN static void remap_moves(void)
{
	char *p = remap_source(16);
	char *to = remap_source(128);
	void *q = checked(mremap(p, 16 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));

	if (q != to)
		_exit(71);
	TRUTH_FREE(remap_source, 16 * PAGE);
	TRUTH_FREE(remap_source, 20 * PAGE);
	TRUTH_ALLOC(remap_moves, 20 * PAGE);
}

TRUTH_FN static void remap_shrinks(void)
{
	char *p = remap_source(50);

	checked(mremap(p, 50 * PAGE, 3 * PAGE, 0));
	TRUTH_FREE(remap_source, 50 * PAGE);
	TRUTH_ALLOC(remap_shrinks, 3 * PAGE);
}

/* Nothing changes: the mapping stays with its own site. */
TRUTH_FN static void remap_fails(void)
{
	char *p = map_pages(7);

	TRUTH_ALLOC(remap_fails, 7 * PAGE);
	if (mremap(p, 7 * PAGE, impossible, MREMAP_MAYMOVE) != MAP_FAILED ||
	    mremap(p, 7 * PAGE, 0, 0) != MAP_FAILED)
		_exit(71);
	p[6 * PAGE] = 1;
}

/* With no function of libc in between. */
TRUTH_FN static void map_raw_syscall(void)
{
	char *p = (char *)syscall(SYS_mmap, NULL, 24 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	checked(p);
	syscall(SYS_munmap, p + 20 * PAGE, 4 * PAGE);
	TRUTH_ALLOC(map_raw_syscall, 20 * PAGE);
}

TRUTH_FN static char *map_fixed_below(void)
{
	char *p = map_pages(40);

	TRUTH_ALLOC(map_fixed_below, 40 * PAGE);
	return p;
}

/* Takes 10 of its pages, in the middle, away from map_fixed_below. */
TRUTH_FN static void map_fixed_over(char *below)
{
	checked(mmap(below + 5 * PAGE, 10 * PAGE, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	TRUTH_FREE(map_fixed_below, 10 * PAGE);
	TRUTH_ALLOC(map_fixed_over, 10 * PAGE);
}

TRUTH_FN static void map_file(int fd)
{
	checked(mmap(NULL, 12 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	TRUTH_ALLOC(map_file, 12 * PAGE);
}

TRUTH_FN static void map_shared(void)
{
	checked(mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	TRUTH_ALLOC(map_shared, 6 * PAGE);
}

TRUTH_FN static void *map_in_thread(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10; i++) {
		char *p = map_pages(3);

		munmap(p + PAGE, PAGE);
		TRUTH_ALLOC(map_in_thread, 2 * PAGE);
	}
	return NULL;
}

/* The thread's stack is glibc's mapping: no site of the program. */
TRUTH_FN static void start_thread_that_maps(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, map_in_thread, NULL))
		_exit(71);
	pthread_join(thread, NULL);
}

TRUTH_FN static void grow_break(void)
{
	if (sbrk(100 * PAGE) == (void *)-1 || sbrk(-30 * PAGE) == (void *)-1)
		_exit(71);
	TRUTH_ALLOC(grow_break, 70 * PAGE);
	char *end = sbrk(0);
	if (brk(end + 5 * PAGE))
		_exit(71);
	TRUTH_ALLOC(grow_break, 5 * PAGE);
}

TRUTH_FN static void failed_calls(void)
{
	static char aligned[2 * PAGE] __attribute__((aligned(4096)));

	if (mmap(NULL, impossible, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
	    mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
	    mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) != MAP_FAILED ||
	    munmap(aligned + 1, PAGE) == 0 || munmap(aligned, 0) == 0 ||
	    sbrk((intptr_t)impossible) != (void *)-1)
		_exit(71);
}

/* A hole is made before ready, and unmapped again after go: nothing of ours goes away. */
static void unmap_what_was_there(char *before)
{
	munmap(before, 4 * PAGE);
	munmap(before, 4 * PAGE);
}

int main(int argc, char **argv)
{
	char *before = map_pages(8);
	int fd = memfd_create("mappings", 0);

	if (fd < 0 || ftruncate(fd, 12 * PAGE))
		return 71;
	truth_begin(argc, argv);
	unmap_what_was_there(before);
	map_keep();
	map_unmap();
	cut_head();
	cut_tail();
	cut_middle();
	cut_odd_length();
	unmap_across_two();
	remap_grow_in_place();
	remap_moves();
	remap_shrinks();
	remap_fails();
	map_raw_syscall();
	map_fixed_over(map_fixed_below());
	map_file(fd);
	map_shared();
	start_thread_that_maps();
	grow_break();
	failed_calls();
	truth_end();
	return 0;
}
