// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/subject.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/proc/maps.h"

#define SYSCALL_ROUNDS 9
#define SYSCALL_TIMES  100

/* Assembly, so that the first instruction is the one meant, whatever the compiler is told. */
#define PLACE(name) void name(void) __attribute__((visibility("hidden")))
PLACE(subject_at_bare);
PLACE(subject_at_emulated);
PLACE(subject_at_nop5);
PLACE(subject_at_stepped);
PLACE(subject_at_session);
PLACE(subject_at_session_entry);
PLACE(subject_at_return);
PLACE(subject_at_event);
#define PUSH(name) ".p2align 4\n" name ": push %rbp\n\tpop %rbp\n\tret\n"
__asm__(".pushsection .text\n" PUSH("subject_at_bare") PUSH("subject_at_emulated") PUSH(
	"subject_at_session") PUSH("subject_at_session_entry") PUSH("subject_at_return")
		PUSH("subject_at_event") ".p2align 4\nsubject_at_nop5: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\tret\n"
					 ".p2align 4\nsubject_at_stepped: lea 8(%rsp), %rax\n\tret\n"
					 ".popsection\n");

static void (*const places[SUBJECT_CALLS])(void) = {
	[SUBJECT_BARE] = subject_at_bare,       [SUBJECT_EMULATED] = subject_at_emulated,
	[SUBJECT_NOP5] = subject_at_nop5,       [SUBJECT_STEPPED] = subject_at_stepped,
	[SUBJECT_SESSION] = subject_at_session, [SUBJECT_SESSION_ENTRY] = subject_at_session_entry,
	[SUBJECT_RETURN] = subject_at_return,   [SUBJECT_EVENT] = subject_at_event,
};

struct order {
	uint32_t call, times;
};

/* Nothing of the parent's is touched: its locks are as they were at the fork. */
static void subject_main(int fd)
{
	struct order order;
	uint64_t ns;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(fd, &order, sizeof(order), 0) == sizeof(order) && order.call < SUBJECT_CALLS) {
		void (*place)(void) = places[order.call];

		ns = clock_thread_cpu_ns();
		for (uint32_t i = 0; i < order.times; i++)
			place();
		ns = clock_thread_cpu_ns() - ns;
		if (send(fd, &ns, sizeof(ns), MSG_NOSIGNAL) != sizeof(ns))
			break;
	}
	_exit(0);
}

int subject_start(struct subject *ret)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[0]); /* or it would wait for itself once we are gone */
		subject_main(ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -EAGAIN;
	}
	*ret = (struct subject){pid, ends[0]};
	return 0;
}

void subject_end(struct subject *subject)
{
	if (!subject->pid)
		return;
	close(subject->fd);
	while (waitpid(subject->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*subject = (struct subject){0, -1};
}

int subject_offset(enum subject_call call, uint64_t *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	const struct mapping *m;
	int err = maps_read(getpid(), &maps);

	if (err)
		return err;
	m = maps_find(&maps, (uintptr_t)places[call]);
	if (!m)
		return -ENOENT;
	*ret = (uintptr_t)places[call] - m->start + m->offset;
	return 0;
}

int subject_run(const struct subject *subject, enum subject_call call, uint32_t times,
		double *ret_ns)
{
	struct order order = {call, times};
	uint64_t ns;

	if (send(subject->fd, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order) ||
	    recv(subject->fd, &ns, sizeof(ns), 0) != sizeof(ns))
		return -EPIPE;
	*ret_ns = (double)ns / times;
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double subject_quartile(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[(count - 1) / 4];
}

double subject_syscall_ns(void)
{
	double values[SYSCALL_ROUNDS];
	uint64_t ns;

	for (int round = 0; round < SYSCALL_ROUNDS; round++) {
		ns = clock_thread_cpu_ns();
		for (int i = 0; i < SYSCALL_TIMES; i++)
			syscall(SYS_getppid);
		values[round] = (double)(clock_thread_cpu_ns() - ns) / SYSCALL_TIMES;
	}
	return subject_quartile(values, SYSCALL_ROUNDS);
}
