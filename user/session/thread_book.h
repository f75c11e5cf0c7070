/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rules by thread (report/component.h) those fit that allocate: by their names, which are read when a thread allocates for the first time,
 * and anew when it allocates THREAD_NAME_NS later, for it may have another by then. What a thread has allocated keeps the rules that it was counted to,
 * also when the thread has ended.
 *
 * Bounded: THREADS_MAX at once, THREAD_RENAMES_MAX names anew in THREAD_NAME_NS. What it can't tell fits no rule, and is counted: a thread that
 * ends within the moment between its allocation and our reading of it (20 ms) had no name yet.
 *
 * One owner: whoever owns the accounts. The time is that of events.
 */
#ifndef HOLDFAST_SESSION_THREAD_BOOK_H
#define HOLDFAST_SESSION_THREAD_BOOK_H

#include <stdint.h>

#include "base/cleanup.h"
#include "process/proc/process.h"
#include "report/component.h"

#define THREADS_MAX        32768
#define THREAD_NAME_NS     UINT64_C(1000000000)
#define THREAD_RENAMES_MAX 1000

struct thread_book;

/* 0, or -errno: it has no name. */
typedef int (*thread_name_fn)(int pid, uint32_t tid, char ret_name[PROCESS_COMM_BYTES]);

/* @rules is borrowed. @read: process_thread_comm(), but in tests. */
int thread_book_new(const struct component_rules *rules, thread_name_fn read,
		    struct thread_book **ret);
void thread_book_free(struct thread_book *book);
DEFINE_CLEANUP(struct thread_book *, thread_book_free);

/* It allocates: the rules that it fits, a bit each. */
uint64_t thread_book_rules(struct thread_book *book, int pid, uint32_t tid, uint64_t time_ns);
/* It has ended, or is another program's from now on. */
void thread_book_forget(struct thread_book *book, uint32_t tid);
/* Allocations of threads whose names were not known. */
uint64_t thread_book_unnamed(const struct thread_book *book);

#endif
