// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/window_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mailbox.h"

struct job {
	struct probe_window *window;
	struct probe_window_hold hold;
	struct budget_times times;
	int err;
};

struct window_thread {
	pthread_t thread;
	struct mailbox *jobs, *done;
	int opened_fd;
	struct job job; /* the thread's while it is under way */
	bool under_way, running;
};

static void *thread_main(void *argument)
{
	struct window_thread *thread = argument;
	struct job *job;

	while ((job = mailbox_wait(thread->jobs, UINT64_MAX))) {
		job->err = probe_window_run(job->window, &job->hold, &job->times);
		mailbox_post(thread->done, job);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct window_thread *thread)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&thread->thread, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	thread->running = !err;
	return err;
}

int window_thread_new(struct window_thread **ret)
{
	_cleanup_(window_thread_freep) struct window_thread *thread = calloc(1, sizeof(*thread));
	int err;

	if (!thread)
		return -ENOMEM;
	thread->opened_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = thread->opened_fd < 0 ? -errno : mailbox_new(1, &thread->jobs);
	if (!err)
		err = mailbox_new(1, &thread->done);
	if (!err)
		err = start(thread);
	if (err)
		return err;
	*ret = no_free_ptr(thread);
	return 0;
}

void window_thread_free(struct window_thread *thread)
{
	struct budget_times times;

	if (!thread)
		return;
	if (thread->under_way) {
		window_thread_close(thread);
		window_thread_take(thread, &times);
	}
	if (thread->running) {
		mailbox_close(thread->jobs);
		pthread_join(thread->thread, NULL);
	}
	mailbox_free(thread->jobs, NULL);
	mailbox_free(thread->done, NULL);
	if (thread->opened_fd >= 0)
		close(thread->opened_fd);
	free(thread);
}

int window_thread_open(struct window_thread *thread, struct probe_window *window, uint64_t hold_ns,
		       uint64_t most_bytes)
{
	if (thread->under_way)
		return -EBUSY;
	thread->job =
		(struct job){.window = window, .hold = {hold_ns, most_bytes, thread->opened_fd}};
	thread->under_way = true;
	return mailbox_post(thread->jobs, &thread->job);
}

void window_thread_close(struct window_thread *thread)
{
	if (thread->under_way)
		probe_window_end(thread->job.window);
}

int window_thread_opened_fd(const struct window_thread *thread)
{
	return thread->opened_fd;
}

int window_thread_closed_fd(const struct window_thread *thread)
{
	return mailbox_fd(thread->done);
}

void window_thread_clear_opened(struct window_thread *thread)
{
	uint64_t count;

	while (read(thread->opened_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		;
}

int window_thread_take(struct window_thread *thread, struct budget_times *ret)
{
	if (!thread->under_way)
		return -ENOENT;
	mailbox_wait(thread->done, UINT64_MAX);
	thread->under_way = false;
	window_thread_clear_opened(thread);
	*ret = thread->job.times;
	return thread->job.err;
}
