// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define GUARD_LOOK_MS 5
/* Beyond what was allowed, for letting the threads go on again. */
#define GRACE_NS (50 * NS_PER_MS)

/* Seen by all three of us. */
struct shared {
	_Atomic uint64_t stop_began_ns; /* 0: the target runs */
	_Atomic int result;             /* of the worker; 1: none yet */
};

struct heap_worker {
	struct shared *shared;
	int fd;       /* memfd with what it found */
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

static _Noreturn void run_guard(struct heap_worker *w, const struct heap_work *work, pid_t maker)
{
	pid_t self, worker;

	settle_in(maker);
	/* A copy of a link's descriptor would keep its probes in the target. */
	close_range(3, (unsigned int)w->fd - 1, 0);
	close_range((unsigned int)w->fd + 1, ~0u, 0);
	self = getpid();
	worker = fork();
	if (!worker) {
		settle_in(self);
		w->shared->result = work->run(work->options, &w->shared->stop_began_ns, w->fd);
		_exit(0);
	}
	if (worker < 0)
		_exit(1);
	guard(w->shared, worker, work->max_stop_ns);
}

static void free_worker(struct heap_worker *w)
{
	if (w->shared)
		munmap(w->shared, sizeof(*w->shared));
	if (w->fd >= 0)
		close(w->fd);
	if (w->guard_fd >= 0)
		close(w->guard_fd);
	free(w);
}

/* The worker ends with its guard. */
static void end_guard(const struct heap_worker *w)
{
	kill(w->guard, SIGKILL);
	while (waitpid(w->guard, NULL, 0) < 0 && errno == EINTR)
		;
}

int heap_worker_start(const struct heap_work *work, struct heap_worker **ret)
{
	struct heap_worker *w = calloc(1, sizeof(*w));
	pid_t self = getpid();
	void *shared;

	if (!w)
		return -ENOMEM;
	w->fd = w->guard_fd = -1;
	shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	w->shared = shared == MAP_FAILED ? NULL : shared;
	w->fd = memfd_create("holdfast-scan", MFD_CLOEXEC);
	if (!w->shared || w->fd < 0) {
		free_worker(w);
		return -ENOMEM;
	}
	w->shared->result = 1;
	w->guard = fork();
	if (!w->guard)
		run_guard(w, work, self);
	if (w->guard > 0)
		w->guard_fd = pid_fd(w->guard);
	if (w->guard < 0 || w->guard_fd < 0) {
		if (w->guard > 0)
			end_guard(w);
		free_worker(w);
		return -EAGAIN;
	}
	*ret = w;
	return 0;
}

int heap_worker_fd(const struct heap_worker *worker)
{
	return worker->guard_fd;
}

int heap_worker_finish(struct heap_worker *worker, int (*take)(int fd, void *user), void *user,
		       uint64_t *ret_cpu_ns)
{
	struct rusage usage = {0}; /* of the guard, and of the worker, for which it has waited */
	int err;

	while (wait4(worker->guard, NULL, 0, &usage) < 0 && errno == EINTR)
		;
	if (ret_cpu_ns)
		*ret_cpu_ns = clock_usage_ns(&usage);
	err = worker->shared->result;
	if (err > 0)
		err = -ECANCELED;
	if (!err)
		err = take(worker->fd, user);
	free_worker(worker);
	return err;
}

void heap_worker_cancel(struct heap_worker *worker)
{
	if (!worker)
		return;
	end_guard(worker);
	free_worker(worker);
}
