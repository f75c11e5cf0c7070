/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oom.h - the n-th allocation fails. For a test program whose first lines carry
 *	build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
 * Includes this once:
 *
 *	for (long n = 1;; n++) {
 *		oom_arm(n);
 *		err = thing_new(&thing);
 *		if (!oom_disarm()) {
 *			assert_int_equal(err, 0);	n was beyond the last allocation
 *			break;
 *		}
 *		assert_int_equal(err, -ENOMEM);
 *	}
 *
 * Under ASan a leak on the failing path is found too. What it cannot reach: allocations inside libc (strdup, fopen).
 */
#ifndef HF_TESTS_OOM_H
#define HF_TESTS_OOM_H

#include <stdbool.h>
#include <stddef.h>

static long oom_countdown; /* 0: not armed */
static bool oom_struck;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);

static void oom_arm(long nth)
{
	oom_struck = false;
	oom_countdown = nth;
}

/* True if an allocation was made to fail since oom_arm(). */
static bool oom_disarm(void)
{
	oom_countdown = 0;
	return oom_struck;
}

static bool oom_strikes(void)
{
	if (oom_countdown > 0 && --oom_countdown == 0)
		oom_struck = true;
	else
		return false;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return oom_strikes() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return oom_strikes() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return oom_strikes() ? NULL : __real_realloc(old, size);
}

#endif
