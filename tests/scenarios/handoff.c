// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * handoff: one thread makes messages, another frees them. What passes between them is the pointer, as
 * bytes in a pipe; the reader takes what has come every --pause=500 milliseconds, so that until then
 * nothing in the process's memory refers to the messages.
 */
#include "course.h"

#include <pthread.h>

enum { TAKEN_MAX = 512 };

static int pipe_ends[2];

struct message {
	unsigned long number;
	char text[180];
};

APART static struct message *make_message(unsigned long number)
{
	struct message *message = sure(malloc(sizeof(*message)));

	message->number = number;
	snprintf(message->text, sizeof(message->text), "message %lu", number);
	return message;
}

APART static void send_message(unsigned long number)
{
	struct message *message = make_message(number);

	if (write(pipe_ends[1], &message, sizeof(message)) != sizeof(message))
		abort();
}

APART static void take_messages(void)
{
	struct message *messages[TAKEN_MAX];
	ssize_t bytes = read(pipe_ends[0], messages, sizeof(messages));

	for (size_t i = 0; bytes > 0 && i < (size_t)bytes / sizeof(*messages); i++)
		free(messages[i]);
}

static void *reader(void *pause_ms)
{
	for (;;) {
		take_messages();
		work_scrub();
		usleep(1000 * (useconds_t)(uintptr_t)pause_ms);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	course_begin(argc, argv, 200);
	void *pause_ms = (void *)(uintptr_t)course_number("--pause", 500);

	if (pipe(pipe_ends) || pthread_create(&thread, NULL, reader, pause_ms))
		abort();
	while (course_step())
		send_message(course.steps);
	return 0;
}
