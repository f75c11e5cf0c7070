/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a pc of a stack to frames with names, for a live session (targets and their modules) and for a
 * recording (names stored in it). The report's builder calls resolver_frames().
 */
#ifndef HOLDFAST_SESSION_RESOLVE_H
#define HOLDFAST_SESSION_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "account/stack/stack_table.h"
#include "base/cleanup.h"
#include "process/target/target.h"
#include "report/builder.h"
#include "session/name_table.h"
#include "session/python_names.h"

struct resolver;

/* A module of a recording: all modules of its targets are such. Its file is looked for where it was, and believed if it
 * has this build id. */
struct recorded_module {
	struct module module;
	const char *build_id; /* hex */
};

/* Targets, modules and names must outlive it. @names: of a recording; NULL: live. */
int resolver_new(const struct name_table *names, struct resolver **ret);
void resolver_free(struct resolver *resolver);
/* What is known stays; what is only needed to find out more is given back: symbolizer_release(). */
void resolver_release(const struct resolver *resolver);
DEFINE_CLEANUP(struct resolver *, resolver_free);

/* Several targets may have the same pid (before and after an exec): the newest that knows the pc serves. */
int resolver_add_target(struct resolver *resolver, const struct target *target);

/* Names of Python's frames; they must outlive it. NULL: none. */
void resolver_set_python(struct resolver *resolver, const struct python_names *names);

/* The first frame of stacks is a pc, not a return address (page faults), until told otherwise. */
void resolver_set_leaf_is_pc(struct resolver *resolver, bool leaf_is_pc);

/* report_resolve_fn; @user is the resolver. */
int resolver_frames(void *user, const struct stack_trace *trace, unsigned int index,
		    struct report_frame *ret_frames, size_t *ret_count);

/* Code may have come or gone since the last report. */
void resolver_refresh(struct resolver *resolver);
/* report_era_fn: the last change of the process's code before the stack was first seen. */
uint64_t resolver_era(void *user, const struct stack_trace *trace);
/* Time spent on addresses that were new, so far. */
uint64_t resolver_look_up_ns(const struct resolver *resolver);

/* The function at a frame without inlining, "" if unknown: for cutting wrappers such as mmap. */
const char *resolver_function(struct resolver *resolver, const struct stack_trace *trace,
			      unsigned int index);

#endif
