// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libmimalloc.so -Wl,--no-as-needed -lmimalloc
/*
 * mimalloc_names: mimalloc by its own names, which lead to each other by calls and jumps. No header of it is
 * needed, so that the program is built wherever the library can be linked. Without mi_strdup and its kin: no
 * argument of theirs tells a size, so holdfast does not see them.
 */
#include "truth.h"

void *mi_malloc(size_t bytes);
void *mi_malloc_small(size_t bytes);
void *mi_zalloc(size_t bytes);
void *mi_zalloc_small(size_t bytes);
void *mi_calloc(size_t count, size_t bytes);
void *mi_mallocn(size_t count, size_t bytes);
void *mi_realloc(void *old, size_t bytes);
void *mi_reallocn(void *old, size_t count, size_t bytes);
void *mi_recalloc(void *old, size_t count, size_t bytes);
void *mi_rezalloc(void *old, size_t bytes);
void *mi_malloc_aligned(size_t bytes, size_t alignment);
void *mi_zalloc_aligned_at(size_t bytes, size_t alignment, size_t offset);
void *mi_realloc_aligned(void *old, size_t bytes, size_t alignment);
void *mi_heap_get_default(void);
void *mi_heap_malloc(void *heap, size_t bytes);
void *mi_heap_calloc(void *heap, size_t count, size_t bytes);
void *mi_heap_realloc(void *heap, void *old, size_t bytes);
void *mi_new(size_t bytes);
void *mi_new_n(size_t count, size_t bytes);
void *mi_new_nothrow(size_t bytes);
void *mi_new_realloc(void *old, size_t bytes);
int mi_posix_memalign(void **ret, size_t alignment, size_t bytes);
void *mi_pvalloc(size_t bytes);
void mi_free(void *p);
void mi_free_size(void *p, size_t bytes);
void mi_free_size_aligned(void *p, size_t bytes, size_t alignment);

TRUTH_SITE(plain);
TRUTH_SITE(aligned);
TRUTH_SITE(by_heap);
TRUTH_SITE(resized);
TRUTH_SITE(by_new);

/* Allocates and forgets. */
#define KEEP(site, call, bytes)           \
	do {                              \
		void *p_ = (call);        \
                                          \
		TRUTH_HIDE(p_);           \
		if (!p_)                  \
			abort();          \
		TRUTH_ALLOC(site, bytes); \
	} while (0)

TRUTH_FN static void plain(void)
{
	for (size_t i = 1; i <= 300; i++) {
		KEEP(plain, mi_malloc(i * 10), i * 10);
		KEEP(plain, mi_malloc_small(i), i);
		KEEP(plain, mi_zalloc(i * 10), i * 10);
		KEEP(plain, mi_zalloc_small(i), i);
		KEEP(plain, mi_calloc(i, 10), i * 10);
		KEEP(plain, mi_mallocn(i, 10), i * 10);
		mi_free(mi_malloc(77));
		TRUTH_ALLOC(plain, 77);
		TRUTH_FREE(plain, 77);
		mi_free_size(mi_zalloc(78), 78);
		TRUTH_ALLOC(plain, 78);
		TRUTH_FREE(plain, 78);
	}
	TRUTH_STAY();
}

TRUTH_FN static void aligned(void)
{
	void *p;

	for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
		KEEP(aligned, mi_malloc_aligned(100, alignment), 100);
		KEEP(aligned, mi_zalloc_aligned_at(101, alignment, 8), 101);
		if (mi_posix_memalign(&p, alignment, 102))
			abort();
		TRUTH_ALLOC(aligned, 102);
		mi_free_size_aligned(p, 102, alignment);
		TRUTH_FREE(aligned, 102);
	}
	KEEP(aligned, mi_pvalloc(5000), 5000);
	TRUTH_STAY();
}

TRUTH_FN static void by_heap(void)
{
	void *heap = mi_heap_get_default();

	for (size_t i = 1; i <= 300; i++) {
		KEEP(by_heap, mi_heap_malloc(heap, i * 10), i * 10);
		KEEP(by_heap, mi_heap_calloc(heap, i, 10), i * 10);
		KEEP(by_heap, mi_heap_realloc(heap, NULL, i), i);
	}
	TRUTH_STAY();
}

TRUTH_FN static void resized(void)
{
	void *p = mi_realloc(NULL, 10);

	p = mi_realloc(p, 5000);
	p = mi_reallocn(p, 10, 20);
	p = mi_recalloc(p, 300, 20);
	p = mi_rezalloc(p, 7000);
	p = mi_realloc_aligned(p, 8000, 256);
	p = mi_new_realloc(p, 9000);
	TRUTH_HIDE(p);
	for (const int *bytes = (const int[]){10, 5000, 200, 6000, 7000, 8000, 0}; *bytes;
	     bytes++) {
		TRUTH_ALLOC(resized, (unsigned long)*bytes);
		TRUTH_FREE(resized, (unsigned long)*bytes);
	}
	TRUTH_ALLOC(resized, 9000);
}

TRUTH_FN static void by_new(void)
{
	for (size_t i = 1; i <= 300; i++) {
		KEEP(by_new, mi_new(i * 10), i * 10);
		KEEP(by_new, mi_new_n(i, 10), i * 10);
		KEEP(by_new, mi_new_nothrow(i * 10), i * 10);
	}
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	truth_begin(argc, argv);
	plain();
	aligned();
	by_heap();
	resized();
	by_new();
	truth_end();
	return 0;
}
