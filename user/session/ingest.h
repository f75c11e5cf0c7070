/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ingest thread: ring -> decode -> accounts, and to a recording if there is one. It alone touches the
 * accounts while it runs, so they need no lock. Others look at them through ingest_call(), which runs a
 * function on that thread between two batches of events; the ring buffer absorbs what comes meanwhile.
 */
#ifndef HOLDFAST_SESSION_INGEST_H
#define HOLDFAST_SESSION_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/mailbox.h"
#include "capture/feed/decode.h"
#include "session/accounts.h"
#include "session/python_names.h"

struct ingest;

struct ingest_options {
	int ring_fd; /* of the BPF map */
	struct accounts *accounts;
	struct python_watch *python;          /* sees every event first */
	const struct event_handler *recorder; /* sees every event too; NULL: none */
	/*
	 * What is not urgent waits for up to 2 s or the next call, unless it fills an eighth of the ring. Then, and only then, busy_fd is told, too
	 * (eventfd(2), the caller's): more comes than does at most times.
	 */
	bool lazy;
	int busy_fd; /* -1: none */
};

/* Starts the thread. */
int ingest_new(const struct ingest_options *options, struct ingest **ret);
/* Stops it first if that was not done. */
void ingest_free(struct ingest *ingest);
DEFINE_CLEANUP(struct ingest *, ingest_free);

/* Runs @fn on the ingest thread, or here if it was stopped; returns when it is done. 0 or -EBUSY (its mailbox
 * is full). */
int ingest_call(struct ingest *ingest, void (*fn)(struct accounts *accounts, void *user),
		void *user);

/* As if it had come from the ring: into the recording and the accounts. From a function that ingest_call() runs only. */
void ingest_emit(struct ingest *ingest, const struct hf_event *event);

/* Reads what is left in the ring and ends the thread: the accounts are the caller's from here on. */
void ingest_stop(struct ingest *ingest);

/* Events that were not well-formed. After ingest_stop(). */
uint64_t ingest_malformed(const struct ingest *ingest);

#endif
