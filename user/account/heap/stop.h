/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stops all threads of a process for a moment and takes what their registers hold.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)): no signal is sent, and a process that was stopped before stays stopped
 * afterwards. A signal that arrives during the stop is handed on when the thread goes on. The kernel lets all threads go
 * on when the caller dies, by whatever; so this runs in a short-lived process of ours (heap.h), never in one that may
 * itself be stopped. System calls that a stop interrupts may return EINTR (signal(7)).
 *
 * Only the thread that called stop_process() may call stop_resume().
 */
#ifndef HOLDFAST_HEAP_STOP_H
#define HOLDFAST_HEAP_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct stopped_thread {
	int tid;
	int signal; /* it was about to get this one; 0: none */
	uint64_t stack_pointer, instruction_pointer, frame_pointer; /* rsp, rip, rbp */
	uint64_t thread_pointer; /* fs base: the thread's control block */
	bool in_system_call;
	bool group_stopped; /* by SIGSTOP and the like, before we came */
};

struct stopped_process {
	VEC(struct stopped_thread) threads;
	VEC(uint64_t)
	words; /* of all registers that may be addresses, vector registers included, and of red zones */
};

/* A thread that is gone, or a zombie: a first thread that ended before the others. */
bool stop_has_ended(int tid);
/*
 * 0, or: -ETIMEDOUT a thread could not be stopped within @timeout_ns (it sits in an uninterruptible system call, or all
 * are too many); -EPERM it is traced already, or not ours to trace; -ESRCH; -ENOMEM. Nothing is stopped then.
 */
int stop_process(int pid, uint64_t timeout_ns, struct stopped_process *ret);
/*
 * Lets the threads that are at work in [start, end) run on for moments, while the others stand still, until none is there
 * or @timeout_ns has passed. Registers are taken anew. 0: none is; 1: some are; -ESRCH, -ETIMEDOUT, -ENOMEM.
 */
int stop_move_out(struct stopped_process *stopped, uint64_t start, uint64_t end,
		  uint64_t timeout_ns);
/* Lets it go on, and frees. An empty one is fine. */
void stop_resume(struct stopped_process *stopped);
/* Lets it go on; what was taken stays, until stop_resume(). */
void stop_release(struct stopped_process *stopped);

#endif
