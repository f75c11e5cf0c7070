/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words that a process has given to the kernel and may have nowhere else: the data of its epoll registrations (a
 * connection's address, often) and of its POSIX timers. What io_uring holds is not shown to anybody.
 */
#ifndef HOLDFAST_HEAP_KERNEL_HELD_H
#define HOLDFAST_HEAP_KERNEL_HELD_H

#include <stdint.h>

#include "base/vec.h"

VEC_STRUCT(word_vec, uint64_t);

/* Appends them; what can't be read is left out. -ENOMEM. */
int kernel_held_words(int pid, struct word_vec *ret);

#endif
