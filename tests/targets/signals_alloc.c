// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * signals_alloc: signal handlers that allocate, on an alternate stack, and signals that interrupt
 * malloc itself.
 *
 * SIGALRM comes every 500 us and its handler allocates (handler_allocates: 24 B, every fourth is
 * kept, until 500 have run); it is blocked around the main loop's own malloc and free, which are not
 * async-signal-safe. SIGPROF comes every 300 us of CPU at any instruction, malloc's own included, and
 * its handler only counts. SIGUSR1, raised by the main loop, nests an allocation in a handler within
 * a call of a site function (nested_in_handler).
 */
#include "truth.h"

#include <signal.h>
#include <sys/time.h>

enum { HANDLER_RUNS = 500 };

TRUTH_SITE(handler_allocates);
TRUTH_SITE(nested_in_handler);
TRUTH_SITE(main_loop_pair);
TRUTH_SITE(main_loop_keeps);

static volatile sig_atomic_t handler_runs, interruptions;
static char alternate_stack[256 << 10];

TRUTH_FN static void handler_allocates(void)
{
	void *p = malloc(24);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(handler_allocates, 24);
	if (handler_runs % 4) {
		TRUTH_FREE(handler_allocates, 24);
		free(p);
		TRUTH_STAY();
	}
}

TRUTH_FN static void nested_in_handler(void)
{
	void *p = malloc(56);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(nested_in_handler, 56);
}

static void on_alarm(int number)
{
	(void)number;
	if (handler_runs >= HANDLER_RUNS)
		return;
	handler_allocates();
	handler_runs = handler_runs + 1;
}

static void on_profile(int number)
{
	(void)number;
	interruptions = interruptions + 1;
}

static void on_user(int number)
{
	(void)number;
	nested_in_handler();
}

static void install(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};

	/* One handler that allocates never interrupts the other. */
	sigaddset(&action.sa_mask, SIGALRM);
	sigaction(number, &action, NULL);
}

static void set_timer(int which, long us)
{
	struct itimerval interval = {{0, us}, {0, us}};

	setitimer(which, &interval, NULL);
}

TRUTH_FN static void main_loop_pair(const sigset_t *alarm_mask)
{
	sigprocmask(SIG_BLOCK, alarm_mask, NULL);
	for (size_t i = 0; i < 50; i++) {
		void *p = malloc(16 + i * 3);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(main_loop_pair, 16 + i * 3);
		TRUTH_FREE(main_loop_pair, 16 + i * 3);
		free(p);
	}
	sigprocmask(SIG_UNBLOCK, alarm_mask, NULL);
}

TRUTH_FN static void main_loop_keeps(const sigset_t *alarm_mask)
{
	sigprocmask(SIG_BLOCK, alarm_mask, NULL);
	void *p = malloc(10);
	TRUTH_HIDE(p);
	TRUTH_ALLOC(main_loop_keeps, 10);
	raise(SIGUSR1);
	sigprocmask(SIG_UNBLOCK, alarm_mask, NULL);
}

/* Time outside malloc, in which SIGALRM may come. */
static void compute(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

int main(int argc, char **argv)
{
	stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack)};
	sigset_t alarm_mask;

	sigemptyset(&alarm_mask);
	sigaddset(&alarm_mask, SIGALRM);
	sigaltstack(&stack, NULL);
	install(SIGALRM, on_alarm);
	install(SIGPROF, on_profile);
	install(SIGUSR1, on_user);
	truth_begin(argc, argv);
	set_timer(ITIMER_REAL, 500);
	set_timer(ITIMER_PROF, 300);
	for (int i = 0; handler_runs < HANDLER_RUNS; i++) {
		main_loop_pair(&alarm_mask);
		if (i % 10 == 0)
			main_loop_keeps(&alarm_mask);
		compute();
	}
	set_timer(ITIMER_REAL, 0);
	set_timer(ITIMER_PROF, 0);
	truth_end();
	return 0;
}
