/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_all.h"
#include "oom.h"

struct probe {
	struct loop *loop;
	int calls;
	int return_value;
	int remove_fd[2]; /* removed by the handler; -1: none */
	uint32_t last;
};

static int note_call(void *user, uint32_t value)
{
	struct probe *p = user;

	p->calls++;
	p->last = value;
	for (int i = 0; i < 2; i++) {
		if (p->remove_fd[i] >= 0)
			assert_int_equal(loop_remove(p->loop, p->remove_fd[i]), 0);
		p->remove_fd[i] = -1;
	}
	return p->return_value;
}

static struct probe probe_new(void)
{
	struct probe p = {.remove_fd = {-1, -1}};

	assert_int_equal(loop_new(&p.loop), 0);
	return p;
}

static void a_readable_descriptor_calls_its_handler(void **state)
{
	struct probe p = probe_new();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	p.return_value = 5;
	assert_int_equal(loop_add_fd(p.loop, fds[0], EPOLLIN, note_call, &p), 0);
	assert_int_equal(loop_add_fd(p.loop, fds[0], EPOLLIN, note_call, &p), -EEXIST);
	assert_int_equal(loop_run_for(p.loop, 0), -ETIME);
	assert_int_equal(p.calls, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(p.loop), 5);
	assert_int_equal(p.calls, 1);
	assert_true(p.last & EPOLLIN);
	loop_free(p.loop);
	/* the descriptor is still ours */
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);
}

static void a_handler_may_remove_itself_and_others_of_the_same_batch(void **state)
{
	struct probe p = probe_new();
	struct probe never = {.loop = p.loop, .remove_fd = {-1, -1}};
	int first[2], second[2];

	(void)state;
	assert_int_equal(pipe(first), 0);
	assert_int_equal(pipe(second), 0);
	assert_int_equal(write(first[1], "x", 1), 1);
	assert_int_equal(write(second[1], "x", 1), 1);
	p.remove_fd[0] = first[0];
	p.remove_fd[1] = second[0];
	never.remove_fd[0] = first[0];
	never.remove_fd[1] = second[0];
	assert_int_equal(loop_add_fd(p.loop, first[0], EPOLLIN, note_call, &p), 0);
	assert_int_equal(loop_add_fd(p.loop, second[0], EPOLLIN, note_call, &never), 0);
	assert_int_equal(loop_run_for(p.loop, 20 * NS_PER_MS), -ETIME);
	/* whichever came first removed both */
	assert_int_equal(p.calls + never.calls, 1);
	assert_int_equal(loop_remove(p.loop, first[0]), -ENOENT);
	loop_free(p.loop);
	for (int i = 0; i < 2; i++) {
		close(first[i]);
		close(second[i]);
	}
}

static int count_to_three(void *user, uint32_t expirations)
{
	struct probe *p = user;

	p->calls += (int)expirations;
	if (p->calls >= 3)
		loop_stop(p->loop, 33);
	return 0;
}

static void a_timer_fires_again_and_again_until_the_loop_is_stopped(void **state)
{
	struct probe p = probe_new();
	int timer = -1;

	(void)state;
	assert_int_equal(loop_add_timer(p.loop, 0, note_call, &p, &timer), -EINVAL);
	assert_int_equal(timer, -1);
	assert_int_equal(loop_add_timer(p.loop, NS_PER_MS, count_to_three, &p, &timer), 0);
	assert_int_equal(loop_run(p.loop), 33);
	assert_true(p.calls >= 3);
	loop_free(p.loop);
	assert_int_equal(fcntl(timer, F_GETFD), -1);
}

static void a_timer_set_to_once_fires_once(void **state)
{
	struct probe p = probe_new();
	int timer;

	(void)state;
	assert_int_equal(loop_add_timer(p.loop, 3600 * NS_PER_S, note_call, &p, &timer), 0);
	assert_int_equal(loop_set_timer(p.loop, timer, NS_PER_MS, 0), 0);
	assert_int_equal(loop_run_for(p.loop, 30 * NS_PER_MS), -ETIME);
	assert_int_equal(p.calls, 1);
	assert_int_equal(loop_set_timer(p.loop, timer, 0, 0), 0);
	assert_int_equal(loop_run_for(p.loop, 5 * NS_PER_MS), -ETIME);
	assert_int_equal(p.calls, 1);
	assert_int_equal(loop_remove(p.loop, timer), 0);
	assert_int_equal(loop_set_timer(p.loop, timer, 1, 1), -ENOENT);
	loop_free(p.loop);
}

static void a_signal_arrives_as_its_number(void **state)
{
	struct probe p = probe_new();
	sigset_t set;
	int fd;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	p.return_value = 1;
	assert_int_equal(loop_add_signals(p.loop, &set, note_call, &p, &fd), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(p.loop), 1);
	assert_int_equal(p.last, SIGUSR1);
	loop_free(p.loop);
}

static void every_failing_allocation_is_reported(void **state)
{
	struct loop *loop = NULL;
	int fd = -1;

	(void)state;
	oom_arm(1);
	assert_int_equal(loop_new(&loop), -ENOMEM);
	assert_true(oom_disarm());
	assert_null(loop);
	assert_int_equal(loop_new(&loop), 0);
	oom_arm(1);
	assert_int_equal(loop_add_timer(loop, 1, note_call, NULL, &fd), -ENOMEM);
	assert_true(oom_disarm());
	assert_int_equal(fd, -1);
	loop_free(loop);
	loop_free(NULL);
}

static void a_loop_turns_inside_another(void **state)
{
	struct probe inner = probe_new();
	struct probe outer = probe_new();
	int fds[2];

	(void)state;
	outer.return_value = 9;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_add_fd(inner.loop, fds[0], EPOLLIN, note_call, &inner), 0);
	assert_int_equal(loop_add_fd(outer.loop, loop_fd(inner.loop), EPOLLIN, note_call, &outer),
			 0);
	assert_int_equal(loop_run_for(outer.loop, 0), -ETIME);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(outer.loop), 9);
	assert_int_equal(loop_run_for(inner.loop, 0), -ETIME);
	assert_int_equal(inner.calls, 1);
	assert_int_equal(loop_remove(outer.loop, loop_fd(inner.loop)), 0);
	loop_free(inner.loop);
	loop_free(outer.loop);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_turns_inside_another),
		cmocka_unit_test(a_readable_descriptor_calls_its_handler),
		cmocka_unit_test(a_handler_may_remove_itself_and_others_of_the_same_batch),
		cmocka_unit_test(a_timer_fires_again_and_again_until_the_loop_is_stopped),
		cmocka_unit_test(a_timer_set_to_once_fires_once),
		cmocka_unit_test(a_signal_arrives_as_its_number),
		cmocka_unit_test(every_failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
