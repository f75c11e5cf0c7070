/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens and closes windows (capture/probe/window.h) on a thread of its own: a close waits 35-80 ms for the kernel.
 *
 *	window_thread_open(thread, window, ...)	one at a time
 *	window_thread_opened_fd()			readable once the probes are in
 *	window_thread_close(thread)			take them out
 *	window_thread_closed_fd()			readable once they are gone, or could not be put in
 *	window_thread_take(thread, &times)		what came of it
 *
 * Its owner's thread calls all of these.
 */
#ifndef HOLDFAST_SESSION_WINDOW_THREAD_H
#define HOLDFAST_SESSION_WINDOW_THREAD_H

#include <stdint.h>

#include "base/cleanup.h"
#include "capture/probe/window.h"

struct window_thread;

int window_thread_new(struct window_thread **ret);
/* Closes the window that is open. */
void window_thread_free(struct window_thread *thread);
DEFINE_CLEANUP(struct window_thread *, window_thread_free);

/* @window is the thread's until window_thread_take(). 0 or -EBUSY. */
int window_thread_open(struct window_thread *thread, struct probe_window *window, uint64_t hold_ns,
		       uint64_t most_bytes);
void window_thread_close(struct window_thread *thread);
int window_thread_opened_fd(const struct window_thread *thread);
int window_thread_closed_fd(const struct window_thread *thread);
/* The probes have come: reads the descriptor. */
void window_thread_clear_opened(struct window_thread *thread);
/* Waits for the window's end if it is not there yet. What probe_window_run() answered; -ENOENT: none was opened. */
int window_thread_take(struct window_thread *thread, struct budget_times *ret);

#endif
