// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.a prefixed:libjemalloc.a:_rjem_ -lm -pthread
/*
 * jemalloc_prefixed: jemalloc under the names that Rust's tikv-jemalloc-sys gives it, beside libc's malloc.
 *
 * in_jemalloc: 50 blocks of 48 B by mallocx, 20 given back by sdallocx. grown: 10 by rallocx from 100 to 5,000 B.
 * cleared: 30 of 5 * 20 B by calloc. aligned: 8 of 300 B. in_libc: 40 of 70 B by malloc.
 */
#include "truth.h"

void *_rjem_mallocx(size_t size, int flags);
void *_rjem_rallocx(void *block, size_t size, int flags);
void _rjem_sdallocx(void *block, size_t size, int flags);
void *_rjem_malloc(size_t size);
void *_rjem_calloc(size_t count, size_t size);
void _rjem_free(void *block);
int _rjem_posix_memalign(void **ret, size_t alignment, size_t size);

TRUTH_SITE(in_jemalloc);
TRUTH_SITE(grown);
TRUTH_SITE(cleared);
TRUTH_SITE(aligned);
TRUTH_SITE(in_libc);

TRUTH_FN static void in_jemalloc(void)
{
	for (int i = 0; i < 50; i++) {
		void *p = _rjem_mallocx(48, 0);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(in_jemalloc, 48);
		if (i < 20) {
			TRUTH_FREE(in_jemalloc, 48);
			_rjem_sdallocx(p, 48, 0);
		}
	}
}

TRUTH_FN static void grown(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = _rjem_malloc(100);

		TRUTH_ALLOC(grown, 100);
		TRUTH_FREE(grown, 100);
		p = _rjem_rallocx(p, 5000, 0);
		TRUTH_ALLOC(grown, 5000);
		TRUTH_HIDE(p);
	}
}

TRUTH_FN static void cleared(void)
{
	for (int i = 0; i < 30; i++) {
		void *p = _rjem_calloc(5, 20);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(cleared, 100);
		if (i % 3 == 0) {
			TRUTH_FREE(cleared, 100);
			_rjem_free(p);
		}
	}
}

TRUTH_FN static void aligned(void)
{
	void *p;

	for (int i = 0; i < 8; i++) {
		if (_rjem_posix_memalign(&p, 64, 300))
			abort();
		TRUTH_ALLOC(aligned, 300);
	}
}

TRUTH_FN static void in_libc(void)
{
	for (int i = 0; i < 40; i++) {
		void *p = malloc(70);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(in_libc, 70);
	}
}

int main(int argc, char **argv)
{
	_rjem_free(_rjem_malloc(1));
	truth_begin(argc, argv);
	in_jemalloc();
	grown();
	cleared();
	aligned();
	in_libc();
	truth_end();
	return 0;
}
