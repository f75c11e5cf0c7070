// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/shield.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES (256u << 10)

/* At the lower end of the stack, where it stays for as long as the process lives. */
struct shield_task {
	void (*work)(void *);
	void *argument;
};

static int shield_main(void *argument)
{
	const struct shield_task *task = argument;

	const struct sched_param first = {.sched_priority = 1};

	/* A kill of our process group is not meant for this one either. */
	syscall(SYS_setsid);
	/* Beside busy threads of the target it would wait for its turn between two breakpoints, and these cost the target
	 * something all the while. Not given without the right to it: then it waits. */
	syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first);
	task->work(task->argument);
	return 0;
}

void shield_start(struct shield *ret, void (*work)(void *), void *argument)
{
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct shield_task *task = stack;
	pid_t pid = -1;

	if (stack != MAP_FAILED) {
		*task = (struct shield_task){work, argument};
		pid = clone(shield_main, (char *)stack + STACK_BYTES,
			    CLONE_VM | CLONE_FILES | CLONE_FS, task);
	}
	*ret = (struct shield){pid > 0 ? pid : 0, stack == MAP_FAILED ? NULL : stack};
	if (pid <= 0)
		work(argument);
}

void shield_wait(struct shield *shield)
{
	while (shield->pid && waitpid(shield->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	if (shield->stack)
		munmap(shield->stack, STACK_BYTES);
	*shield = (struct shield){0, NULL};
}
