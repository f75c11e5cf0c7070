/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

struct mailbox {
	pthread_mutex_t lock;
	int event_fd; /* non-zero exactly while count > 0 or closed */
	bool closed;
	size_t capacity;
	size_t first;
	size_t count;
	uint64_t refused_count;
	void *messages[];
};

int mailbox_new(size_t capacity, struct mailbox **ret_mailbox)
{
	struct mailbox *m;
	size_t bytes;
	int err;

	if (!capacity)
		return -EINVAL;
	if (__builtin_mul_overflow(capacity, sizeof(void *), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*m), &bytes))
		return -ENOMEM;
	m = calloc(1, bytes);
	if (!m)
		return -ENOMEM;
	m->capacity = capacity;
	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->event_fd < 0) {
		err = -errno;
		free(m);
		return err;
	}
	pthread_mutex_init(&m->lock, NULL);
	*ret_mailbox = m;
	return 0;
}

void mailbox_free(struct mailbox *m, void (*free_message)(void *))
{
	void *message;

	if (!m)
		return;
	while ((message = mailbox_take(m))) {
		if (free_message)
			free_message(message);
	}
	close(m->event_fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* With the lock held. */
static void raise_event(const struct mailbox *m)
{
	uint64_t one = 1;

	while (write(m->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void clear_event(const struct mailbox *m)
{
	uint64_t value;

	while (read(m->event_fd, &value, sizeof(value)) < 0 && errno == EINTR)
		;
}

int mailbox_post(struct mailbox *m, void *message)
{
	int err = 0;

	if (!message)
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	if (m->closed) {
		err = -EPIPE;
	} else if (m->count == m->capacity) {
		m->refused_count++;
		err = -ENOBUFS;
	} else {
		m->messages[(m->first + m->count) % m->capacity] = message;
		if (!m->count++)
			raise_event(m);
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

void *mailbox_take(struct mailbox *m)
{
	void *message = NULL;

	pthread_mutex_lock(&m->lock);
	if (m->count) {
		message = m->messages[m->first];
		m->first = (m->first + 1) % m->capacity;
		if (!--m->count && !m->closed)
			clear_event(m);
	}
	pthread_mutex_unlock(&m->lock);
	return message;
}

static bool is_closed(struct mailbox *m)
{
	bool closed;

	pthread_mutex_lock(&m->lock);
	closed = m->closed && !m->count;
	pthread_mutex_unlock(&m->lock);
	return closed;
}

void *mailbox_wait(struct mailbox *m, uint64_t timeout_ns)
{
	uint64_t deadline;

	if (__builtin_add_overflow(clock_now_ns(), timeout_ns, &deadline))
		deadline = UINT64_MAX;
	for (;;) {
		struct pollfd p = {.fd = m->event_fd, .events = POLLIN};
		void *message = mailbox_take(m);
		uint64_t now = clock_now_ns();
		struct timespec left;

		if (message || now >= deadline || is_closed(m))
			return message;
		left.tv_sec = (time_t)((deadline - now) / NS_PER_S);
		left.tv_nsec = (long)((deadline - now) % NS_PER_S);
		if (ppoll(&p, 1, &left, NULL) < 0 && errno != EINTR)
			return NULL;
	}
}

int mailbox_fd(const struct mailbox *m)
{
	return m->event_fd;
}

void mailbox_close(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	m->closed = true;
	raise_event(m);
	pthread_mutex_unlock(&m->lock);
}

uint64_t mailbox_refused_count(struct mailbox *m)
{
	uint64_t count;

	pthread_mutex_lock(&m->lock);
	count = m->refused_count;
	pthread_mutex_unlock(&m->lock);
	return count;
}
