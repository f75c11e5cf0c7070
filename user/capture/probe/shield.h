/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that a SIGKILL of ours does not cut short.
 *
 * Who is killed within a system call that puts breakpoints in or takes them out leaves some of them in the target for
 * ever: the kernel gives up in the middle ("leaking uprobe" in its log; kernel/events/uprobes.c, uprobe_unregister,
 * whose access to the target's pages ends at a pending SIGKILL). So these calls are made by a process of its own, which
 * shares our memory and our descriptors and outlives us until it is done; its end then closes what we had open.
 */
#ifndef HOLDFAST_PROBE_SHIELD_H
#define HOLDFAST_PROBE_SHIELD_H

#include <sys/types.h>

struct shield {
	pid_t pid;   /* 0: the work was done at once, for want of a process */
	void *stack; /* of the process */
};

/*
 * Begins @work(@argument). It runs with the calling thread's thread-local memory: until shield_wait() returns, the
 * caller must do nothing but start further ones whose work is system calls only, and wait.
 */
void shield_start(struct shield *ret, void (*work)(void *), void *argument);
void shield_wait(struct shield *shield);

#endif
