// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/message.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hashmap.h"

struct message *message_new(const char *name, const void *bytes, size_t size)
{
	struct message *message = malloc(sizeof(*message) + size);

	if (!message)
		return NULL;
	message->users = 1;
	message->made_ns = clock_now_ns();
	message->size = size;
	if (size)
		memcpy(message->bytes, bytes, size);
	message->name = strdup(name);
	if (!message->name) {
		free(message);
		return NULL;
	}
	return message;
}

void message_release(struct message *message)
{
	if (!message || --message->users)
		return;
	free(message->name);
	free(message);
}

static void make_id(char id[MESSAGE_ID_SIZE])
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
		random[0] = hash_seed_random();
		random[1] = hash_seed_random();
	}
	snprintf(id, MESSAGE_ID_SIZE, "%016llx%016llx", (unsigned long long)random[0],
		 (unsigned long long)random[1]);
}

/* Out of the list; the link to it is known. */
static void unlink_message(struct message_queue *queue, struct queued_message **link)
{
	struct queued_message *gone = *link;

	*link = gone->next;
	if (queue->last == gone)
		queue->last = link == &queue->first ? NULL : queue->first;
	queue->count--;
	queue->bytes -= gone->message->size;
	message_release(gone->message);
	free(gone);
}

void message_queue_remove_first(struct message_queue *queue)
{
	queue->first_is_out = false;
	unlink_message(queue, &queue->first);
}

static bool is_full(const struct message_queue *queue)
{
	return queue->count > queue->count_max || queue->bytes > queue->bytes_max;
}

void message_queue_add(struct message_queue *queue, struct message *message, uint64_t *ret_lost)
{
	struct queued_message *added = calloc(1, sizeof(*added));

	*ret_lost = 0;
	if (!added) {
		*ret_lost = 1;
		return;
	}
	added->message = message;
	message->users++;
	make_id(added->id);
	if (queue->last)
		queue->last->next = added;
	else
		queue->first = added;
	queue->last = added;
	queue->count++;
	queue->bytes += message->size;
	while (is_full(queue)) {
		struct queued_message **oldest = queue->first_is_out ? &queue->first->next
								     : &queue->first;

		if (!*oldest)
			return; /* the one that is out is alone */
		unlink_message(queue, oldest);
		(*ret_lost)++;
	}
}

void message_queue_done(struct message_queue *queue)
{
	while (queue->first)
		message_queue_remove_first(queue);
}
