/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENTS_PER_WAIT 32

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNALS };

struct source {
	struct source *next;
	int fd;
	enum source_kind kind;
	bool removed; /* freed after the batch: events of it may still be in hand */
	loop_fn fn;
	void *user;
};

struct loop {
	int epoll_fd;
	struct source *sources;
	bool dispatching;
	bool stopped;
	int result;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err = -errno;
		free(loop);
		return err;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources) {
		struct source *next = loop->sources->next;

		if (loop->sources->kind != SOURCE_FD && !loop->sources->removed)
			close(loop->sources->fd);
		free(loop->sources);
		loop->sources = next;
	}
	close(loop->epoll_fd);
	free(loop);
}

static struct source *find_source(struct loop *loop, int fd)
{
	for (struct source *s = loop->sources; s; s = s->next) {
		if (s->fd == fd && !s->removed)
			return s;
	}
	return NULL;
}

static int add_source(struct loop *loop, const struct source *model, uint32_t epoll_events)
{
	struct source *s = malloc(sizeof(*s));
	struct epoll_event event = {.events = epoll_events, .data.ptr = s};
	int err;

	if (!s)
		return -ENOMEM;
	*s = *model;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) {
		err = -errno;
		free(s);
		return err;
	}
	s->next = loop->sources;
	loop->sources = s;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fn fn, void *user)
{
	struct source model = {.fd = fd, .kind = SOURCE_FD, .fn = fn, .user = user};

	return add_source(loop, &model, epoll_events);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S)};
}

static int arm_timer(int fd, uint64_t first_ns, uint64_t interval_ns)
{
	struct itimerspec spec = {
		.it_value = timespec_of(first_ns),
		.it_interval = timespec_of(interval_ns),
	};

	return timerfd_settime(fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_fn fn, void *user, int *ret_fd)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct source model = {.fd = fd, .kind = SOURCE_TIMER, .fn = fn, .user = user};
	int err;

	if (fd < 0)
		return -errno;
	if (!interval_ns)
		return -EINVAL;
	err = arm_timer(fd, interval_ns, interval_ns);
	if (!err)
		err = add_source(loop, &model, EPOLLIN);
	if (err)
		return err;
	*ret_fd = take_fd(&fd);
	return 0;
}

int loop_set_timer(struct loop *loop, int timer_fd, uint64_t first_ns, uint64_t interval_ns)
{
	const struct source *s = find_source(loop, timer_fd);

	if (!s || s->kind != SOURCE_TIMER)
		return -ENOENT;
	return arm_timer(timer_fd, first_ns, interval_ns);
}

int loop_add_signals(struct loop *loop, const sigset_t *signals, loop_fn fn, void *user,
		     int *ret_fd)
{
	_cleanup_close_ int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	struct source model = {.fd = fd, .kind = SOURCE_SIGNALS, .fn = fn, .user = user};
	int err;

	if (fd < 0)
		return -errno;
	err = -pthread_sigmask(SIG_BLOCK, signals, NULL);
	if (!err)
		err = add_source(loop, &model, EPOLLIN);
	if (err)
		return err;
	*ret_fd = take_fd(&fd);
	return 0;
}

int loop_remove(struct loop *loop, int fd)
{
	struct source *s = find_source(loop, fd);
	struct source **link = &loop->sources;

	if (!s)
		return -ENOENT;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	if (s->kind != SOURCE_FD)
		close(fd);
	if (loop->dispatching) {
		s->removed = true;
		return 0;
	}
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	free(s);
	return 0;
}

static void free_removed(struct loop *loop)
{
	struct source **link = &loop->sources;

	while (*link) {
		struct source *s = *link;

		if (s->removed) {
			*link = s->next;
			free(s);
		} else {
			link = &s->next;
		}
	}
}

static int dispatch_timer(const struct source *s)
{
	uint64_t expired;

	if (read(s->fd, &expired, sizeof(expired)) != (ssize_t)sizeof(expired))
		return 0; /* re-armed meanwhile */
	return s->fn(s->user, expired > UINT32_MAX ? UINT32_MAX : (uint32_t)expired);
}

static int dispatch_signals(const struct loop *loop, const struct source *s)
{
	struct signalfd_siginfo info;
	int result = 0;

	while (!result && !s->removed && !loop->stopped &&
	       read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		result = s->fn(s->user, info.ssi_signo);
	return result;
}

static int dispatch(const struct loop *loop, const struct source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_TIMER:
		return dispatch_timer(s);
	case SOURCE_SIGNALS:
		return dispatch_signals(loop, s);
	case SOURCE_FD:
		break;
	}
	return s->fn(s->user, events);
}

int loop_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}

static int run_batch(struct loop *loop, const struct timespec *timeout)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int count = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_WAIT, timeout, NULL);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	loop->dispatching = true;
	for (int i = 0; i < count && !loop->stopped; i++) {
		const struct source *s = events[i].data.ptr;
		int result = s->removed ? 0 : dispatch(loop, s, events[i].events);

		if (result)
			loop_stop(loop, result);
	}
	loop->dispatching = false;
	free_removed(loop);
	return 0;
}

static int run_until(struct loop *loop, uint64_t deadline_ns)
{
	loop->stopped = false;
	while (!loop->stopped) {
		uint64_t now = clock_now_ns();
		struct timespec left = timespec_of(deadline_ns > now ? deadline_ns - now : 0);
		int err = run_batch(loop, deadline_ns == UINT64_MAX ? NULL : &left);

		if (err)
			return err;
		if (!loop->stopped && clock_now_ns() >= deadline_ns)
			return -ETIME;
	}
	return loop->result;
}

int loop_run(struct loop *loop)
{
	return run_until(loop, UINT64_MAX);
}

int loop_run_for(struct loop *loop, uint64_t timeout_ns)
{
	uint64_t deadline;

	if (__builtin_add_overflow(clock_now_ns(), timeout_ns, &deadline))
		deadline = UINT64_MAX;
	return run_until(loop, deadline);
}
