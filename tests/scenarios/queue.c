// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * queue: each act queues a job. --take=share: jobs taken per 100 queued (100: as they come, behind a
 * stock of 1,000); --drain=N: all that wait are done at once every N seconds.
 */
#include "course.h"

struct job {
	struct job *next;
	char text[300];
};

static struct {
	struct job *first, *last;
	unsigned long waiting;
} queue;

APART static void queue_job(unsigned long number)
{
	struct job *job = sure(malloc(sizeof(*job)));

	job->next = NULL;
	snprintf(job->text, sizeof(job->text), "job %lu", number);
	*(queue.last ? &queue.last->next : &queue.first) = job;
	queue.last = job;
	queue.waiting++;
	course_grew(sizeof(*job));
}

static void do_job(void)
{
	struct job *job = queue.first;

	if (!job)
		return;
	queue.first = job->next;
	if (!queue.first)
		queue.last = NULL;
	queue.waiting--;
	free(job);
	course_grew(-(long)sizeof(*job));
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 400);
	unsigned long take = (unsigned long)course_number("--take", 0);
	unsigned long drain = (unsigned long)course_number("--drain", 0);

	for (int i = 0; take && i < 1000; i++)
		queue_job(0);
	while (course_step()) {
		queue_job(course.steps);
		if (course.steps % 100 < take)
			do_job();
		if (drain && course.steps % (drain * (unsigned long)course.rate) == 0)
			while (queue.waiting)
				do_job();
	}
	return 0;
}
