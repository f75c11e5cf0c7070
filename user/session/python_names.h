/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of Python's frames, read from the targets while they live: what a stack's word (holdfast/python.h) means.
 *
 * Two owners. The watch belongs to the ingest thread: it sees every stack first, and reads each code object that is new there.
 * The names belong to the main thread, which takes from the watch what came since (python_watch_take(), through
 * ingest_call()). A code object that lies where another lay before is told by its parts, and is a name of its own
 * from then on.
 *
 * Memory: some 300 bytes a code object and its table of lines; past the bound further ones have no names, and are counted.
 */
#ifndef HOLDFAST_SESSION_PYTHON_NAMES_H
#define HOLDFAST_SESSION_PYTHON_NAMES_H

#include <stdint.h>

#include <holdfast/event.h>

#include "account/stack/stack_table.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "process/python/code.h"

struct python_name {
	uint32_t pid;
	uint64_t code, from_ns; /* address; since then */
	struct python_code of;
};

VEC_STRUCT(python_name_vec, struct python_name);

struct python_watch_counts {
	uint64_t unread;  /* gone, or no code object, when it was looked at */
	uint64_t refused; /* for want of memory */
};

struct python_watch;

int python_watch_new(uint64_t memory_bytes, struct python_watch **ret);
void python_watch_free(struct python_watch *watch);
DEFINE_CLEANUP(struct python_watch *, python_watch_free);

/* The interpreter of @pid, also of what it forks later; NULL: it has none (any more). */
int python_watch_set(struct python_watch *watch, int pid, const struct python_runtime *runtime);
/* A code object as its name is read. Borrowed for the call. */
struct python_seen {
	int pid;
	const struct python_runtime *runtime;
	uint64_t address;
	const struct python_code_mark *mark;
	const struct python_code *code;
};

/* Is called for each, on the ingest thread; what it answers is kept as the code's span_rules. */
typedef uint32_t (*python_seen_fn)(void *user, const struct python_seen *seen);
/* Before the first event. NULL: nobody is called. */
void python_watch_match(struct python_watch *watch, python_seen_fn seen, void *user);
/* Looks at STACK, FORK, EXEC and EXIT. */
void python_watch_event(struct python_watch *watch, const struct hf_event *event);
/* What was read since: the caller's from then on. */
void python_watch_take(struct python_watch *watch, struct python_name_vec *ret);
void python_watch_counts(const struct python_watch *watch, struct python_watch_counts *ret);

struct python_names;

int python_names_new(struct python_names **ret);
void python_names_free(struct python_names *names);
DEFINE_CLEANUP(struct python_names *, python_names_free);
/* Takes them over, whatever it returns. 0 or -ENOMEM: some are lost. */
int python_names_add(struct python_names *names, struct python_name_vec *fresh);
/* The code object of a word of @trace, as it was then; NULL: not known. */
const struct python_code *python_names_find(const struct python_names *names,
					    const struct stack_trace *trace, uint64_t word);

#endif
