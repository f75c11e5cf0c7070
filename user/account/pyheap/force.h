/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On explicit request only: makes a CPython process collect its garbage, or the C library give back what it has free, by calls in one
 * of its threads (remote_calls.h).
 *
 *	force_start(&request, &worker)		a process of ours goes to work (heap/worker.h)
 *	force_finish(worker, &result)		waits
 *
 * Only at a safe point: a thread of Python that waits in a system call in which no lock of the C library is held, and does not hold
 * the GIL: it takes it, collects, and gives it back. Where no thread ever waits, the collection is put on the interpreter's list of
 * calls for its main thread (Py_AddPendingCall()), which makes it between two instructions; should that thread go to wait before it
 * comes to it, the collection is made where it waits, and the call on the list does nothing. While a collection runs, none is begun.
 */
#ifndef HOLDFAST_PYHEAP_FORCE_H
#define HOLDFAST_PYHEAP_FORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "account/heap/worker.h"
#include "process/python/runtime.h"
#include "process/target/target.h"

/* Functions of the target; 0: it does not have it. */
struct force_functions {
	uint64_t ensure, collect, release, enable, disable; /* PyGILState_Ensure, PyGC_Collect, … */
	uint64_t add_pending, run_string; /* Py_AddPendingCall, PyRun_SimpleString */
	uint64_t trim;                    /* malloc_trim */
	uint64_t restorer;
	uint64_t spare; /* some bytes of its memory that nobody uses: behind a module's data */
};

struct force_request {
	int pid;
	const struct python_runtime *runtime; /* with a layout; NULL: nothing is collected */
	bool trim;
	uint64_t wait_ns; /* for a safe point */
	struct force_functions functions;
};

enum force_way { FORCE_AT_ONCE, FORCE_PENDING };

struct force_result {
	enum force_way way;
	uint64_t tries;
	uint64_t waited_ns;                /* for a safe point */
	uint64_t held_ns;                  /* from there on, until it was done */
	uint64_t collected, uncollectable; /* objects, as the collector counts them */
	bool done; /* false: it was begun, and will be done when the process comes to it */
};

/* Finds the functions of @request: pid and runtime are set. NULL: all that are needed are there; else what is missing, for people. */
const char *force_find(const struct target *target, struct force_request *request);

/* 0, -ENOMEM, -EAGAIN (no process can be made). @request must outlive it. */
int force_start(const struct force_request *request, struct heap_worker **ret);
/* Frees the worker. 0; -EAGAIN no safe point came; -EPERM, -EBUSY, -ENOTSUP, -ESRCH as remote_calls_run(); -ECANCELED. */
int force_finish(struct heap_worker *worker, struct force_result *ret);

#endif
