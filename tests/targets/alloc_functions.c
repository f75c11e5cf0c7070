// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * alloc_functions: every allocating function of libc, and every edge case of each, from one thread.
 *
 * Each site function below makes the calls that its comment says; its account is exact. Of the
 * functions of libc that allocate by themselves (asprintf, getline) only what is left is declared.
 * Left over at the end: some blocks of each kind.
 */
#include "truth.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

TRUTH_SITE(leak_malloc);
TRUTH_SITE(temporary_malloc);
TRUTH_SITE(malloc_zero);
TRUTH_SITE(leak_calloc);
TRUTH_SITE(realloc_from_null);
TRUTH_SITE(realloc_grow);
TRUTH_SITE(realloc_shrink);
TRUTH_SITE(realloc_source);
TRUTH_SITE(realloc_to_zero);
TRUTH_SITE(realloc_mmapped);
TRUTH_SITE(reallocarray_grow);
TRUTH_SITE(realloc_fails);
TRUTH_SITE(reallocarray_overflow);
TRUTH_SITE(leak_posix_memalign);
TRUTH_SITE(leak_aligned_alloc);
TRUTH_SITE(leak_memalign);
TRUTH_SITE(leak_valloc);
TRUTH_SITE(leak_pvalloc);
TRUTH_SITE(leak_strdup);
TRUTH_SITE(leak_strndup);
TRUTH_SITE_OPAQUE(leak_asprintf);
TRUTH_SITE_OPAQUE(leak_getline);
TRUTH_SITE(failed_calls);
TRUTH_SITE(free_null);

/* What the compiler must not reason about: sizes too large for any heap. */
static volatile size_t huge = SIZE_MAX / 2 - 4096;
static volatile size_t zero;

TRUTH_FN static void *leak_malloc(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_malloc, bytes);
	return p;
}

TRUTH_FN static void temporary_malloc(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(temporary_malloc, bytes);
	TRUTH_FREE(temporary_malloc, bytes);
	free(p);
	TRUTH_STAY();
}

/* Two blocks of no bytes; one is freed. */
TRUTH_FN static void malloc_zero(void)
{
	void *p = malloc(zero);
	void *q = calloc(zero, 8);

	TRUTH_HIDE(p);
	TRUTH_HIDE(q);
	TRUTH_ALLOC(malloc_zero, 0);
	TRUTH_ALLOC(malloc_zero, 0);
	TRUTH_FREE(malloc_zero, 0);
	free(p);
	TRUTH_STAY();
}

TRUTH_FN static void *leak_calloc(size_t count, size_t bytes)
{
	void *p = calloc(count, bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_calloc, count * bytes);
	return p;
}

TRUTH_FN static void *realloc_source(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(realloc_source, bytes);
	return p;
}

TRUTH_FN static void *realloc_from_null(size_t bytes)
{
	void *p = realloc(NULL, bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(realloc_from_null, bytes);
	return p;
}

TRUTH_FN static void *realloc_grow(void *old, size_t old_bytes, size_t bytes)
{
	void *p = realloc(old, bytes);

	TRUTH_STAY();
	TRUTH_FREE(realloc_source, old_bytes);
	TRUTH_ALLOC(realloc_grow, bytes);
	return p;
}

/* In place in glibc: the address stays, the block is this site's all the same. */
TRUTH_FN static void *realloc_shrink(void *old, size_t old_bytes, size_t bytes)
{
	void *p = realloc(old, bytes);

	TRUTH_STAY();
	TRUTH_FREE(realloc_source, old_bytes);
	TRUTH_ALLOC(realloc_shrink, bytes);
	return p;
}

/* Above the mmap threshold glibc grows by mremap; the mapping is malloc's, not the program's. */
TRUTH_FN static void *realloc_mmapped(void)
{
	void *p = NULL;

	for (size_t bytes = 1 << 20; bytes <= 8 << 20; bytes *= 2) {
		p = realloc(p, bytes);
		TRUTH_HIDE(p);
		if (bytes > 1 << 20)
			TRUTH_FREE(realloc_mmapped, bytes / 2);
		TRUTH_ALLOC(realloc_mmapped, bytes);
	}
	return p;
}

TRUTH_FN static void *reallocarray_grow(void *old, size_t old_bytes, size_t count, size_t bytes)
{
	void *p = reallocarray(old, count, bytes);

	TRUTH_STAY();
	TRUTH_FREE(realloc_source, old_bytes);
	TRUTH_ALLOC(reallocarray_grow, count * bytes);
	return p;
}

/* glibc frees and answers NULL; mimalloc hands out a block of no bytes. */
TRUTH_FN static void realloc_to_zero(void *old, size_t old_bytes)
{
	void *p = realloc(old, zero);

	TRUTH_HIDE(p);
	if (p)
		TRUTH_ALLOC(realloc_to_zero, 0);
	TRUTH_FREE(realloc_source, old_bytes);
}

/* The block is alive after the failure, and counted once, at its own site. */
TRUTH_FN static void realloc_fails(void)
{
	void *kept = malloc(300);
	void *freed = malloc(301);

	TRUTH_HIDE(kept);
	TRUTH_HIDE(freed);
	TRUTH_ALLOC(realloc_fails, 300);
	TRUTH_ALLOC(realloc_fails, 301);
	for (int i = 0; i < 10; i++)
		if (realloc(kept, huge) || realloc(freed, huge))
			abort();
	memset(kept, 1, 300);
	TRUTH_FREE(realloc_fails, 301);
	free(freed);
	TRUTH_STAY();
}

TRUTH_FN static void reallocarray_overflow(void)
{
	void *kept = malloc(77);

	TRUTH_HIDE(kept);
	TRUTH_ALLOC(reallocarray_overflow, 77);
	if (reallocarray(kept, huge, 16))
		abort();
	TRUTH_STAY();
}

TRUTH_FN static void leak_posix_memalign(void)
{
	void *p = NULL;

	for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
		if (posix_memalign(&p, alignment, 100))
			abort();
		TRUTH_ALLOC(leak_posix_memalign, 100);
	}
	TRUTH_FREE(leak_posix_memalign, 100);
	free(p);
	TRUTH_STAY();
}

TRUTH_FN static void *leak_aligned_alloc(void)
{
	void *p = aligned_alloc(256, 1024);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_aligned_alloc, 1024);
	return p;
}

TRUTH_FN static void *leak_memalign(void)
{
	void *p = memalign(4096, 333);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_memalign, 333);
	return p;
}

TRUTH_FN static void *leak_valloc(void)
{
	void *p = valloc(555);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_valloc, 555);
	return p;
}

/* Rounds up to whole pages inside; 5,000 is what was asked for. */
TRUTH_FN static void *leak_pvalloc(void)
{
	void *p = pvalloc(5000);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_pvalloc, 5000);
	return p;
}

TRUTH_FN static char *leak_strdup(const char *text)
{
	char *p = strdup(text);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_strdup, strlen(text) + 1);
	return p;
}

TRUTH_FN static char *leak_strndup(const char *text, size_t length)
{
	char *p = strndup(text, length);

	TRUTH_STAY();
	TRUTH_ALLOC(leak_strndup, length + 1);
	return p;
}

TRUTH_FN static void leak_asprintf(int number)
{
	char *text;
	int length = asprintf(&text,
			      "number %d and a text that is longer than the first buffer of "
			      "asprintf, which is of one hundred bytes, %d",
			      number, number);

	if (length < 0)
		abort();
	TRUTH_ALLOC(leak_asprintf, (size_t)length + 1);
}

/* getline says itself how many bytes it holds. */
TRUTH_FN static void leak_getline(FILE *in)
{
	char *line = NULL;
	size_t bytes = 0;

	if (getline(&line, &bytes, in) < 0)
		abort();
	TRUTH_ALLOC(leak_getline, bytes);
}

/* None of these allocates anything. */
TRUTH_FN static void failed_calls(void)
{
	void *p = NULL;

	for (int i = 0; i < 10; i++) {
		if (malloc(huge) || calloc(huge, 16) || calloc(huge, 1) || realloc(NULL, huge) ||
		    memalign(64, huge) || aligned_alloc(64, huge) || valloc(huge) || pvalloc(huge))
			abort();
		if (posix_memalign(&p, 3, 100) != EINVAL || posix_memalign(&p, 64, huge) != ENOMEM)
			abort();
	}
	TRUTH_STAY();
}

TRUTH_FN static void free_null(void)
{
	void *p = NULL;

	TRUTH_HIDE(p);
	for (int i = 0; i < 100; i++)
		free(p);
	TRUTH_STAY();
}

static void plain_calls(void)
{
	for (size_t i = 1; i <= 1000; i++) {
		leak_malloc(i);
		temporary_malloc(i);
	}
	void *p = leak_malloc(100000);
	TRUTH_FREE(leak_malloc, 100000);
	free(p);
	malloc_zero();
	for (size_t i = 1; i <= 10; i++)
		leak_calloc(i, 24);
	leak_calloc(1, 1 << 20);
}

static void realloc_calls(void)
{
	realloc_from_null(40);
	realloc_grow(realloc_source(10), 10, 5000);
	realloc_grow(realloc_source(20), 20, 24);
	realloc_shrink(realloc_source(9000), 9000, 50);
	realloc_shrink(realloc_source(32), 32, 1);
	void *p = realloc_mmapped();
	TRUTH_FREE(realloc_mmapped, 8 << 20);
	free(p);
	realloc_mmapped();
	reallocarray_grow(realloc_source(64), 64, 100, 12);
	realloc_to_zero(realloc_source(70), 70);
	realloc_source(71);
	realloc_fails();
	reallocarray_overflow();
}

static void aligned_calls(void)
{
	leak_posix_memalign();
	leak_aligned_alloc();
	leak_memalign();
	leak_valloc();
	leak_pvalloc();
}

int main(int argc, char **argv)
{
	static char lines[] =
		"a short line\nthe second line, made longer than one hundred and twenty "
		"bytes, so that getline has to enlarge its buffer at least once, xxxx "
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
	static char buffer[4096];
	FILE *in = fmemopen(lines, sizeof(lines) - 1, "r");

	setvbuf(in, buffer, _IOFBF, sizeof(buffer));
	truth_begin(argc, argv);
	plain_calls();
	realloc_calls();
	aligned_calls();
	leak_strdup("a string of libc");
	leak_strndup("a string of libc", 8);
	leak_asprintf(12345);
	leak_getline(in);
	leak_getline(in);
	failed_calls();
	free_null();
	truth_end();
	return 0;
}
