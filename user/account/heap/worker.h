/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of work that may stop a process, done by a short-lived process of ours, with a guard: another one. The worker can't be
 * stopped from a terminal and ends when we do; the guard kills it when a stop takes longer than allowed; and the kernel lets a
 * tracer's tracees go on when it dies. So whatever happens to us, the target goes on.
 */
#ifndef HOLDFAST_HEAP_WORKER_H
#define HOLDFAST_HEAP_WORKER_H

#include <stdint.h>

struct heap_work {
	/* In the worker. Says when it stops the target in *@stop_began_ns (CLOCK_MONOTONIC; 0: it runs), writes what it found to
	 * @fd. 0 or -errno. */
	int (*run)(const void *options, _Atomic uint64_t *stop_began_ns, int fd);
	const void *options;
	uint64_t max_stop_ns;
};

struct heap_worker;

/* 0, -ENOMEM, -EAGAIN (no process can be made). Main thread, or any other that may fork. */
int heap_worker_start(const struct heap_work *work, struct heap_worker **ret);
/* Readable when it is done. */
int heap_worker_fd(const struct heap_worker *worker);
/* Waits if it must, and frees the worker in any case. What the work or @take returned; -ECANCELED: it was killed. @take is called
 * after success only; the descriptor is closed afterwards. *@ret_cpu_ns (may be NULL): the CPU time of it and of its guard, from
 * their beginning to their end. */
int heap_worker_finish(struct heap_worker *worker, int (*take)(int fd, void *user), void *user,
		       uint64_t *ret_cpu_ns);
/* Kills it. NULL is fine. */
void heap_worker_cancel(struct heap_worker *worker);

#endif
