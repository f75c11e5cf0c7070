// SPDX-License-Identifier: GPL-2.0-or-later
/* The worker and its guard: two short-lived processes of ours for each scan. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/heap/heap.h"
#include "account/heap/scan.h"
#include "account/heap/snapshot.h"
#include "base/clock.h"

#define GUARD_LOOK_MS 5
/* Beyond what was allowed, for letting the threads go on again. */
#define GRACE_NS (50 * NS_PER_MS)

/* Seen by all three of us. */
struct shared {
	_Atomic uint64_t stop_began_ns; /* 0: the target runs */
	_Atomic int result;             /* of the worker; 1: none yet */
};

struct heap_scan {
	struct shared *shared;
	int fd;       /* memfd with the snapshot */
	int guard_fd; /* pidfd */
	pid_t guard;
};

static int pid_fd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/*
 * No key and no hang-up stops or ends us, but our maker's end does. Where memory runs out, we are the first to go, not
 * the target.
 */
static void settle_in(pid_t maker)
{
	static const int quiet[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGINT, SIGQUIT, SIGHUP, SIGTERM};
	int fd;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != maker)
		_exit(1);
	for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
		signal(quiet[i], SIG_IGN);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
}

/* Waits for the worker; a stop that takes too long ends it, and the kernel lets the target go on. */
static _Noreturn void guard(struct shared *shared, pid_t worker, uint64_t max_stop_ns)
{
	int fd = pid_fd(worker);

	for (;;) {
		struct pollfd wait = {fd, POLLIN, 0};
		uint64_t began_ns = shared->stop_began_ns;
		int status;
		pid_t got;

		if (began_ns && max_stop_ns < UINT64_MAX - GRACE_NS &&
		    clock_now_ns() - began_ns > max_stop_ns + GRACE_NS)
			kill(worker, SIGKILL);
		if (fd < 0)
			usleep(GUARD_LOOK_MS * 1000);
		else
			(void)poll(&wait, 1, GUARD_LOOK_MS);
		got = waitpid(worker, &status, WNOHANG | WUNTRACED);
		if (got > 0 && WIFSTOPPED(status))
			kill(worker, SIGKILL); /* it may hold the target */
		else if (got)
			_exit(0);
	}
}

static _Noreturn void run_guard(struct heap_scan *scan, const struct heap_scan_options *options,
				pid_t maker)
{
	pid_t self, worker;

	settle_in(maker);
	/* A copy of a link's descriptor would keep its probes in the target. */
	close_range(3, (unsigned int)scan->fd - 1, 0);
	close_range((unsigned int)scan->fd + 1, ~0u, 0);
	self = getpid();
	worker = fork();
	if (!worker) {
		settle_in(self);
		scan->shared->result =
			heap_scan_work(options, &scan->shared->stop_began_ns, scan->fd);
		_exit(0);
	}
	if (worker < 0)
		_exit(1);
	guard(scan->shared, worker, options->max_stop_ns);
}

static void free_scan(struct heap_scan *scan)
{
	if (scan->shared)
		munmap(scan->shared, sizeof(*scan->shared));
	if (scan->fd >= 0)
		close(scan->fd);
	if (scan->guard_fd >= 0)
		close(scan->guard_fd);
	free(scan);
}

/* The worker ends with its guard. */
static void end_guard(const struct heap_scan *scan)
{
	kill(scan->guard, SIGKILL);
	while (waitpid(scan->guard, NULL, 0) < 0 && errno == EINTR)
		;
}

int heap_scan_start(const struct heap_scan_options *options, struct heap_scan **ret)
{
	struct heap_scan *scan = calloc(1, sizeof(*scan));
	pid_t self = getpid();
	void *shared;

	if (!scan)
		return -ENOMEM;
	scan->fd = scan->guard_fd = -1;
	shared = mmap(NULL, sizeof(*scan->shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	scan->shared = shared == MAP_FAILED ? NULL : shared;
	scan->fd = memfd_create("holdfast-scan", MFD_CLOEXEC);
	if (!scan->shared || scan->fd < 0) {
		free_scan(scan);
		return -ENOMEM;
	}
	scan->shared->result = 1;
	scan->guard = fork();
	if (!scan->guard)
		run_guard(scan, options, self);
	if (scan->guard > 0)
		scan->guard_fd = pid_fd(scan->guard);
	if (scan->guard < 0 || scan->guard_fd < 0) {
		if (scan->guard > 0)
			end_guard(scan);
		free_scan(scan);
		return -EAGAIN;
	}
	*ret = scan;
	return 0;
}

int heap_scan_fd(const struct heap_scan *scan)
{
	return scan->guard_fd;
}

int heap_scan_finish(struct heap_scan *scan, struct heap_snapshot **ret)
{
	int err;

	while (waitpid(scan->guard, NULL, 0) < 0 && errno == EINTR)
		;
	err = scan->shared->result;
	if (err > 0)
		err = -ECANCELED;
	if (!err)
		err = heap_snapshot_unpack(scan->fd, ret);
	free_scan(scan);
	return err;
}

void heap_scan_cancel(struct heap_scan *scan)
{
	if (!scan)
		return;
	end_guard(scan);
	free_scan(scan);
}
