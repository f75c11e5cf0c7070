/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endless: the frame of programs that go on until stop. The body runs in a thread of its own; it
 * calls endless_step() before each of its operations, which keeps --rate=N operations a second and
 * answers 0 when it is time to return. Operations done: stat prints {"operations":N}.
 */
#ifndef ENDLESS_H
#define ENDLESS_H

#include "truth.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

TRUTH_TOLERATE(endless_start);

static struct {
	double started, rate;
	unsigned long operations;
	volatile int stop;
	void (*body)(void);
} endless;

static double endless_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9 - endless.started;
}

static int endless_step(void)
{
	while (!endless.stop && (double)endless.operations > endless_seconds() * endless.rate)
		usleep(1000);
	endless.operations++;
	return !endless.stop;
}

static void endless_on_signal(int number)
{
	(void)number;
	endless.stop = 1;
}

static void endless_stat(void)
{
	truth_printf("{\"operations\":%lu}\n", endless.operations);
}

static void *endless_thread(void *unused)
{
	(void)unused;
	endless.body();
	return NULL;
}

TRUTH_FN static void endless_start(pthread_t *thread)
{
	if (pthread_create(thread, NULL, endless_thread, NULL))
		_exit(71);
	TRUTH_STAY();
}

/* The whole of main: go, body until stop or SIGTERM, the account, end. */
static int endless_main(int argc, char **argv, void (*body)(void), long rate)
{
	struct sigaction action = {.sa_handler = endless_on_signal};
	pthread_t thread;

	sigaction(SIGTERM, &action, NULL);
	endless.body = body;
	endless.rate = (double)truth_argument(argc, argv, "--rate", rate);
	truth_begin(argc, argv);
	endless.started = endless_seconds();
	endless_start(&thread);
	truth_until_stop(endless_stat, &endless.stop);
	endless.stop = 1;
	pthread_join(thread, NULL);
	truth_end();
	return 0;
}

#endif
