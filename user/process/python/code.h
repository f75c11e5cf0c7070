/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A code object of CPython: which function it is, and the line of each of its instructions. All of it is the target's memory: it is
 * checked, and nothing in it is followed further than one step.
 *
 * Source: Objects/locations.md (3.11 to 3.14): the location table.
 */
#ifndef HOLDFAST_PYTHON_CODE_H
#define HOLDFAST_PYTHON_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/python/runtime.h"
#include "process/python/text.h"

#define PYTHON_LINES_MAX \
	(1 << 18) /* bytes of a location table; of a longer one no lines are known */

/* What tells a code object apart from another that came to its address later. */
struct python_code_mark {
	struct hf_python_parts parts;
	uint64_t mark; /* hf_python_mark() of them */
};

struct python_code {
	char *function, *file; /* UTF-8; what is none shows as U+FFFD */
	uint8_t *lines;
	size_t line_bytes;
	uint32_t first_line;
	uint32_t span_rules; /* of whoever reads it: 0 at first */
};

/* -EINVAL: no code object lies there (any more); -EFAULT: nothing does. */
int python_code_mark_read(int pid, const struct python_runtime *runtime, uint64_t address,
			  struct python_code_mark *ret);
/* Where @mark was read. As above, and -ENOMEM. */
int python_code_read(int pid, const struct python_runtime *runtime, uint64_t address,
		     const struct python_code_mark *mark, struct python_code *ret);
void python_code_done(struct python_code *code);

/* One of its variables: parameters first, then others. */
struct python_variable {
	uint16_t slot; /* in its frames */
	bool is_cell;  /* inner functions use it, too */
};

/* By name. -ENOENT: it has none of that name; as above. */
int python_code_variable(int pid, const struct python_runtime *runtime, uint64_t address,
			 const char *name, struct python_variable *ret);

/* The line of an instruction (HF_PYTHON_NO_UNIT: none has run yet: the first); 0: it has none. */
uint32_t python_code_line(const struct python_code *code, uint32_t unit);

#endif
