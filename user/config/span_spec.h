/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * span_spec.h - spans as the user describes them: a pair of functions, and the argument that names what is between them.
 *
 *	--span 'user=handle_session(arg1)'		until it returns; the name is the C string at argument 1
 *	--span 'job=libjobs.so:job_run(arg2:int)'	of that module; the name is a number
 *	--span 'job=job_begin(arg1)..job_end'		until job_end() is called on the same thread
 *	--span 'user=app.server:Server.handle(user)'	Python: while it runs; the name is its parameter's value
 *	--span 'request=handle_request()'		no name: all of them are one; 'app.server:handle()' of Python
 *
 * In the agent's file a span is a mapping: name, enter, leave, key, type. Pure; any thread.
 */
#ifndef HF_CONFIG_SPAN_SPEC_H
#define HF_CONFIG_SPAN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define SPAN_SPECS_MAX 32

enum span_type { SPAN_TYPE_STRING, SPAN_TYPE_INT };

/* Owned; never NULL in one that was read: name, enter. Field by field a struct span_rule. */
struct span_spec {
	char *name;
	char *enter;       /* "function", "module.so:function", "package.module:Class.method" */
	char *leave;       /* of native code; NULL: the span ends when enter's frame is gone */
	char *key;         /* "arg1" or a Python parameter; NULL: the span has no key */
	int type;          /* enum span_type, of the key */
	uint64_t argument; /* 1 to 6 where key is argN, else 0 */
	bool python;       /* enter is a Python function */
};

/* 0; -EINVAL: not of that form; -ENOMEM. */
int span_spec_parse(const char *text, struct span_spec *ret);
void span_spec_done(struct span_spec *spec);
/* Sets argument and python by enter and key. */
void span_spec_classify(struct span_spec *spec);

#endif
