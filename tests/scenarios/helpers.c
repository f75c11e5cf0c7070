// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * helpers: each act starts a thread for a moment's work. --end=join waits for it; detach lets it go;
 * nothing forgets it, so that its stack stays.
 */
#include "course.h"

#include <pthread.h>

APART static void use_stack(void)
{
	char notes[32 << 10];
	char *from = notes;

	memset(notes, 'n', sizeof(notes));
	KEEP(from);
}

static void *help(void *shelf)
{
	use_stack();
	for (int i = 0; i < 10; i++)
		work_answer(100 + work_random((struct shelf *)shelf) % 100);
	return NULL;
}

APART static pthread_t start_helper(struct shelf *shelf)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	if (pthread_create(&thread, &attributes, help, shelf))
		abort();
	pthread_attr_destroy(&attributes);
	return thread;
}

int main(int argc, char **argv)
{
	static struct shelf shelf;

	course_begin(argc, argv, 5);
	int join = course_is("--end", "join", "nothing");
	int detach = course_is("--end", "detach", "nothing");

	while (course_step()) {
		pthread_t thread = start_helper(&shelf);

		if (join)
			pthread_join(thread, NULL);
		else if (detach)
			pthread_detach(thread);
	}
	return 0;
}
