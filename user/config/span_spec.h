/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * span_spec.h - spans as the user describes them: a pair of functions, and the argument that names what is between them.
 *
 *	--span 'user=handle_session(arg1)'		until it returns; the name is the C string at argument 1
 *	--span 'job=libjobs.so:job_run(arg2:int)'	of that module; the name is a number
 *	--span 'job=job_begin(arg1)..job_end'		until job_end() is called on the same thread
 *	--span 'user=app.server:Server.handle(user)'	Python: while it runs; the name is its parameter's value
 *
 * Pure; any thread.
 */
#ifndef HF_CONFIG_SPAN_SPEC_H
#define HF_CONFIG_SPAN_SPEC_H

#include <stdbool.h>

/* Owned; leave may be NULL. Field by field a struct span_rule. */
struct span_spec {
	char *name, *enter, *leave, *key;
	bool is_number;
};

/* 0; -EINVAL: not of that form; -ENOMEM. */
int span_spec_parse(const char *text, struct span_spec *ret);
void span_spec_done(struct span_spec *spec);

#endif
