/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * course.h: the frame of a program that behaves in one way for ever (C11, C++17; header only, for
 * programs of one file). A program calls course_begin(), sets up what it needs, and then does one
 * act after each course_step(), which keeps the pace and does the ordinary work of a program
 * besides: records that live for a while, answers that live for a moment.
 *
 *	--rate=N	acts per second
 *	--work=N	turns of other work per second (400)
 *	--seconds=N	end by itself; without it, SIGTERM ends it
 *	--account	each second a line "grew TIME BYTES": what course_grew() was told so far, and
 *			when, on CLOCK_MONOTONIC
 *
 * It says "ready PID" at the first step. From then on the frame allocates nothing but that work.
 */
#ifndef COURSE_H
#define COURSE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The function is a frame of its own, under its own name: neither inlined, cloned nor folded. */
#define APART __attribute__((noipa))

/* The compiler forgets what it knows of p: it elides no allocation, and makes no tail call before. */
#define KEEP(p) __asm__ volatile("" : "+r"(p) : : "memory")

/* What an allocation came back with; there is no going on without. */
static inline __attribute__((always_inline)) void *sure(void *block)
{
	if (!block)
		abort();
	KEEP(block);
	return block;
}

enum { COURSE_SHELF = 256, COURSE_WORK = 400 };

/* One for each thread that works. */
struct shelf {
	void *slots[COURSE_SHELF];
	unsigned long seed;
};

static struct {
	int argc;
	char **argv;
	double start, rate, work, account_at;
	long seconds;
	unsigned long steps, turns, grew;
	struct shelf shelf;
} course;

static inline double course_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The text after NAME=, "" for a bare NAME, else fallback. */
static inline const char *course_text(const char *name, const char *fallback)
{
	size_t length = strlen(name);

	for (int i = 1; i < course.argc; i++) {
		const char *argument = course.argv[i];

		if (strncmp(argument, name, length) != 0)
			continue;
		if (argument[length] == '=')
			return argument + length + 1;
		if (!argument[length])
			return argument + length;
	}
	return fallback;
}

static inline long course_number(const char *name, long fallback)
{
	const char *text = course_text(name, NULL);

	return text ? strtol(text, NULL, 10) : fallback;
}

/* Whether --NAME is this word; fallback: the word when it is not given. */
static inline int course_is(const char *name, const char *word, const char *fallback)
{
	return strcmp(course_text(name, fallback), word) == 0;
}

static inline void course_say(const char *text, size_t length)
{
	/* A reader that is gone is no reason to behave in another way. */
	if (write(STDOUT_FILENO, text, length) < 0)
		return;
}

static inline unsigned long work_random(struct shelf *shelf)
{
	shelf->seed = shelf->seed * 6364136223846793005u + 1442695040888963407u;
	return shelf->seed >> 33;
}

APART static void *work_record(size_t bytes)
{
	return memset(sure(malloc(bytes)), 0x20, bytes);
}

APART static void work_answer(size_t bytes)
{
	char *answer = (char *)work_record(bytes);

	answer[0] = 'a';
	KEEP(answer);
	free(answer);
}

static inline void work_turn(struct shelf *shelf)
{
	void **slot = &shelf->slots[work_random(shelf) % COURSE_SHELF];

	free(*slot);
	*slot = work_record(16 + work_random(shelf) % 500);
	work_answer(64 + work_random(shelf) % 1000);
}

/* Writes over the stack below the caller, where copies of pointers lie that are in use no more. */
APART static void work_scrub(void)
{
	char dead[8192];
	char *from = dead;

	memset(dead, 0, sizeof(dead));
	KEEP(from);
}

static inline void course_ready(void)
{
	char line[32];

	course.start = course_now();
	course_say(line, (size_t)snprintf(line, sizeof(line), "ready %d\n", (int)getpid()));
}

static inline void course_begin(int argc, char **argv, long rate)
{
	course.argc = argc;
	course.argv = argv;
	course.rate = (double)course_number("--rate", rate);
	course.seconds = course_number("--seconds", 0);
	course.work = (double)course_number("--work", COURSE_WORK);
	for (int i = 0; i < COURSE_SHELF * 4; i++)
		work_turn(&course.shelf);
}

/* So many bytes more (less, if negative) are held for good or lost. */
static inline void course_grew(long bytes)
{
	__atomic_fetch_add(&course.grew, (unsigned long)bytes, __ATOMIC_RELAXED);
}

static inline void course_account(double now)
{
	char line[80];

	if (now < course.account_at || !course_text("--account", NULL))
		return;
	int length = snprintf(line, sizeof(line), "grew %.3f %ld\n", now,
			      (long)__atomic_load_n(&course.grew, __ATOMIC_RELAXED));
	course_say(line, (size_t)length);
	course.account_at = now + 1;
}

/* Not before the next act is due; at least a millisecond at a time, so that fast ones go in groups. */
static inline double course_wait(void)
{
	double due = course.start + (double)course.steps / course.rate, now;

	while ((now = course_now()) < due) {
		double left = due - now > 0.001 ? due - now : 0.001;
		struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};

		nanosleep(&time, NULL);
	}
	return now;
}

/* False when it is time to end. */
static inline int course_step(void)
{
	if (!course.steps)
		course_ready();
	work_scrub();
	double now = course_wait();

	course.steps++;
	for (; (double)course.turns < (now - course.start) * course.work; course.turns++)
		work_turn(&course.shelf);
	course_account(now);
	return !course.seconds || now < course.start + (double)course.seconds;
}

#endif
