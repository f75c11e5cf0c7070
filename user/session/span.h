/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules for spans: what is allocated between a function's entry and its end, by the argument that names it. */
#ifndef HOLDFAST_SESSION_SPAN_H
#define HOLDFAST_SESSION_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/span.h>

/* Borrowed. */
struct span_rule {
	const char *name;
	/*
	 * Native: a function's symbol, or "module.so:function"; found in whatever is mapped now or later. Python: a function's
	 * qualified name, or "package.module:Class.method" (component_python_module_fits()); both globs.
	 */
	const char *enter;
	/* Native only: the span ends when this one is entered, of the same module if one is named. NULL: when enter's frame is gone. */
	const char *leave;
	const char *
		key; /* of Python: the name of a parameter, or of a variable; NULL: none, all are one */
	bool is_number;   /* native: the argument itself, not the C string that it points to */
	uint8_t argument; /* native: 1 to 6; 0: there is no key */
	bool python;
};

struct span_rules {
	const struct span_rule *rules; /* at most HF_MAX_SPAN_RULES */
	size_t count;
};

#endif
