/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which line makes the objects of Python that stay: in short windows those of types that grow are seen as they are made
 * (capture/probe/births.h), and then watched from outside until they are gone. What is left after a second and more tells the line.
 *
 * What windows cost the target is counted (calls of the functions that make objects, whatever the type), and they are spaced so that it
 * stays within a share of the budget. An object is gone when no reference to it is counted, or another type stands in its place.
 * Main thread.
 */
#ifndef HOLDFAST_SESSION_BIRTHS_H
#define HOLDFAST_SESSION_BIRTHS_H

#include <stdbool.h>

#include "account/stack/stack_table.h"
#include "base/cleanup.h"

struct session;
struct births;

/* @session is borrowed. 0; -ENOTSUP: this kernel has no windows; -ENOMEM. */
int births_new(struct session *session, struct births **ret);
void births_free(struct births *births);
DEFINE_CLEANUP(struct births *, births_free);

/* NULL: nothing is done, by all of these. Looks after those that are watched, and opens the next window if one is due. */
void births_tick(struct births *births, uint64_t now_ns);
/* Closes the window, and looks once more. */
void births_stop(struct births *births);
/* Of a process that ended, or execed. */
void births_forget(struct births *births, int pid);

/* Probes reached so far, for the budget. NULL: 0. */
uint64_t births_traps(const struct births *births);

/* Where most of the type's objects that stay were made. */
struct births_blame {
	stack_id stack;
	uint64_t stayed, stayed_here; /* of those watched for long enough: of all, of that stack */
	uint64_t seen;                /* that were made in windows */
};

/* False: none that stays was seen being made. */
bool births_blame(const struct births *births, int pid, uint64_t type, struct births_blame *ret);

#endif
