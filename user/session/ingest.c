// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/ingest.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/feed/ring.h"

#define MAILBOX_SLOTS 64
/* The kernel side wakes us when an eighth of the ring is full; below that this is the delay. */
#define POLL_MS 20
/* Of a lazy one: each look costs as much as some fifty events. */
#define LAZY_POLL_MS 2000
/* So many at once, and it was woken for them. */
#define BUSY_EVENTS 200
/* Events between two looks at the mailbox: a target that allocates faster than we read would keep us in
 * the ring for ever. */
#define BATCH_EVENTS 65536

struct call {
	void (*fn)(struct accounts *accounts, void *user);
	void *user;
	struct mailbox *done;
};

struct ingest {
	struct ingest_options options;
	struct ring_feed *feed;
	struct mailbox *calls, *done;
	pthread_t thread;
	bool running;
	unsigned int batch_left;
};

static int on_event(void *user, const struct hf_event *event)
{
	struct ingest *ingest = user;
	const struct event_handler *recorder = ingest->options.recorder;
	int err;

	python_watch_event(ingest->options.python, event);
	err = recorder ? recorder->event(recorder->user, event) : 0;

	if (err) {
		/* A full disk must not cost the report. */
		log_err(err, "the recording ends here");
		ingest->options.recorder = NULL;
	}
	accounts_event(ingest->options.accounts, event);
	return --ingest->batch_left ? 0 : -EAGAIN;
}

void ingest_emit(struct ingest *ingest, const struct hf_event *event)
{
	ingest->batch_left++;
	on_event(ingest, event);
}

/* One batch. True: there may be more. */
static bool consume(struct ingest *ingest)
{
	ingest->batch_left = BATCH_EVENTS;
	return ring_feed_consume(ingest->feed) == -EAGAIN;
}

static void tell_busy(const struct ingest *ingest)
{
	const uint64_t one = 1;

	if (ingest->options.busy_fd >= 0 && BATCH_EVENTS - ingest->batch_left >= BUSY_EVENTS &&
	    write(ingest->options.busy_fd, &one, sizeof(one)) < 0)
		log_debug_err(-errno, "nobody learns that much comes");
}

/* false: the mailbox is closed and empty. */
static bool answer_calls(struct ingest *ingest)
{
	struct call *call;

	while ((call = mailbox_take(ingest->calls))) {
		if (!call->fn) {
			mailbox_post(call->done, call);
			return false;
		}
		call->fn(ingest->options.accounts, call->user);
		mailbox_post(call->done, call);
	}
	return true;
}

static void *ingest_main(void *argument)
{
	struct ingest *ingest = argument;
	struct pollfd fds[] = {
		{.fd = ring_feed_fd(ingest->feed), .events = POLLIN},
		{.fd = mailbox_fd(ingest->calls), .events = POLLIN},
	};
	int poll_ms = ingest->options.lazy ? LAZY_POLL_MS : POLL_MS;

	do {
		poll(fds, 2, poll_ms);
		consume(ingest);
		if (fds[0].revents)
			tell_busy(ingest);
	} while (answer_calls(ingest));
	while (consume(ingest))
		;
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct ingest *ingest)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&ingest->thread, NULL, ingest_main, ingest);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ingest->running = !err;
	return err;
}

int ingest_new(const struct ingest_options *options, struct ingest **ret)
{
	_cleanup_(ingest_freep) struct ingest *ingest = calloc(1, sizeof(*ingest));
	struct event_handler handler = {on_event, ingest};
	int err;

	if (!ingest)
		return -ENOMEM;
	ingest->options = *options;
	err = mailbox_new(MAILBOX_SLOTS, &ingest->calls);
	if (!err)
		err = mailbox_new(MAILBOX_SLOTS, &ingest->done);
	if (!err)
		err = ring_feed_new(options->ring_fd, &handler, &ingest->feed);
	if (!err)
		err = start_thread(ingest);
	if (err)
		return err;
	*ret = no_free_ptr(ingest);
	return 0;
}

int ingest_call(struct ingest *ingest, void (*fn)(struct accounts *accounts, void *user),
		void *user)
{
	struct call call = {fn, user, ingest->done};

	if (!ingest->running) {
		if (fn)
			fn(ingest->options.accounts, user);
		return 0;
	}
	if (mailbox_post(ingest->calls, &call))
		return -EBUSY;
	while (mailbox_wait(ingest->done, UINT64_MAX) != &call)
		;
	return 0;
}

void ingest_stop(struct ingest *ingest)
{
	if (!ingest->running)
		return;
	ingest_call(ingest, NULL, NULL);
	pthread_join(ingest->thread, NULL);
	ingest->running = false;
}

void ingest_free(struct ingest *ingest)
{
	if (!ingest)
		return;
	ingest_stop(ingest);
	ring_feed_free(ingest->feed);
	mailbox_free(ingest->calls, NULL);
	mailbox_free(ingest->done, NULL);
	free(ingest);
}

uint64_t ingest_malformed(const struct ingest *ingest)
{
	return ring_feed_malformed(ingest->feed);
}
