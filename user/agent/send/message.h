/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * message.h - a bounded queue of things to be posted, the oldest first. What does not fit pushes out the oldest.
 *
 * One message may wait in the queues of several receivers: it is counted, not copied.
 */
#ifndef HF_AGENT_SEND_MESSAGE_H
#define HF_AGENT_SEND_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct message {
	unsigned int users;
	uint64_t made_ns; /* monotonic */
	char *name;       /* what a header, or the URL, says of it */
	size_t size;
	uint8_t bytes[];
};

/* With one user; the caller. NULL: out of memory. */
struct message *message_new(const char *name, const void *bytes, size_t size);
void message_release(struct message *message);
DEFINE_CLEANUP(struct message *, message_release);

#define MESSAGE_ID_SIZE 33

struct queued_message {
	struct queued_message *next;
	struct message *message;
	char id[MESSAGE_ID_SIZE]; /* 32 hex digits of chance */
};

struct message_queue {
	struct queued_message *first, *last;
	bool first_is_out; /* being sent: it stays where it is */
	uint64_t count, bytes;
	uint64_t count_max, bytes_max;
};

/* Takes a share in the message. *ret_lost is how many were lost by it, itself included. */
void message_queue_add(struct message_queue *queue, struct message *message, uint64_t *ret_lost);
/* Also one that is out. The queue must not be empty. */
void message_queue_remove_first(struct message_queue *queue);
void message_queue_done(struct message_queue *queue);

#endif
