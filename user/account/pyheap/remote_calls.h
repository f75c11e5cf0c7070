/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls functions in a thread of another process, which goes on by itself afterwards: whatever becomes of us.
 *
 * The thread is stopped for a moment (PTRACE_SEIZE). Below its stack's red zone we put one signal frame for each call: what
 * rt_sigreturn(2) restores. Each function returns into the C library's own code that calls it, with the next call's registers in the
 * frame, and the last one has the thread's own, with all of its floating point state and its signal mask. Then it is let go: nothing
 * of ours is needed from there on, so our SIGKILL changes nothing.
 *
 * A system call that the stop interrupted begins anew, or returns EINTR, where the kernel would have gone on with the time that was
 * left (restart_syscall(2)). Only for threads of 64 bits that wait in a system call, or run code of their own at a place where the
 * functions may be called: that is the caller's to judge.
 *
 * Sources: struct rt_sigframe and restore_sigcontext() in arch/x86/kernel/signal_64.c, check_xstate_in_sigframe() in
 * arch/x86/kernel/fpu/signal.c.
 */
#ifndef HOLDFAST_PYHEAP_REMOTE_CALLS_H
#define HOLDFAST_PYHEAP_REMOTE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REMOTE_CALLS_MAX 6

struct remote_call {
	uint64_t function, arguments[2];
};

/* Where a stopped thread stands. */
struct remote_thread {
	int tid;
	uint64_t thread_pointer, stack_pointer, instruction_pointer;
	int64_t system_call; /* that it waited in; -1: none */
};

struct remote_calls {
	struct remote_call calls[REMOTE_CALLS_MAX];
	size_t count;
	uint64_t restorer; /* code that calls rt_sigreturn(2): remote_calls_find_restorer() */
	/* Asked while it stands still: 0, or what remote_calls_run() is to return, and nothing was done. */
	int (*accept)(void *user, const struct remote_thread *thread);
	void *user;
};

/* Of process @pid, in one of its mapped files. 0: none is there. */
uint64_t remote_calls_find_restorer(int pid);
/*
 * 0: they will be made as soon as the thread runs; *ret is where it stood. Else nothing was changed: -EAGAIN not at this moment;
 * -EPERM it is traced, or not ours to trace; -EBUSY it is stopped (SIGSTOP), or there is no room on its stack; -ENOTSUP it has a
 * shadow stack, or is no thread of 64 bits; -ESRCH; -ETIMEDOUT it can't be stopped.
 */
int remote_calls_run(int tid, const struct remote_calls *calls, struct remote_thread *ret);

#endif
