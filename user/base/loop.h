/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - a small epoll loop: descriptors, timers, signals.
 *
 * A handler returns 0 to go on; any other value stops the loop, and loop_run() returns it. It may
 * add and remove sources, itself included, at any time. A source is named by its descriptor.
 * Everything happens on the thread that calls loop_run().
 */
#ifndef HF_BASE_LOOP_H
#define HF_BASE_LOOP_H

#include <signal.h>
#include <stdint.h>

#include "base/cleanup.h"

struct loop;

/*
 * `value`: for a descriptor the epoll events (EPOLLIN …); for a timer how often it has expired
 * since the last call (at most UINT32_MAX); for signals the signal's number.
 */
typedef int (*loop_fn)(void *user, uint32_t value);

int loop_new(struct loop **ret_loop);
/* Closes the timers and signalfds it made; descriptors added by loop_add_fd() remain their owner's.
 */
void loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free);

/* `fd` stays the caller's, who removes it before closing it. -EEXIST if it is there already. */
int loop_add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fn fn, void *user);
/* Fires every interval_ns (> 0), first after interval_ns; CLOCK_MONOTONIC. The loop owns the
 * descriptor. */
int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_fn fn, void *user, int *ret_fd);
/* Re-arms: first after first_ns (0: stops it), then every interval_ns (0: once). */
int loop_set_timer(struct loop *loop, int timer_fd, uint64_t first_ns, uint64_t interval_ns);
/* Blocks `signals` in the calling thread (do it before threads start) and delivers them here. */
int loop_add_signals(struct loop *loop, const sigset_t *signals, loop_fn fn, void *user,
		     int *ret_fd);
/* -ENOENT if it is not there. A timer's or signalfd's descriptor is closed. Signals stay blocked. */
int loop_remove(struct loop *loop, int fd);

/* Runs until a handler returns non-zero or loop_stop() is called; returns that value or -errno. */
int loop_run(struct loop *loop);
/* The same for at most timeout_ns; -ETIME when that passes. */
int loop_run_for(struct loop *loop, uint64_t timeout_ns);
/* Readable when a source of the loop is ready: to let one loop turn inside another, by loop_run_for(inner, 0). The
 * loop's own. */
int loop_fd(const struct loop *loop);
/* From a handler: loop_run() returns `result` after this batch. */
void loop_stop(struct loop *loop, int result);

#endif
