/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * problems.h - all that is wrong with a configuration, told at once.
 *
 * Ownership: the list owns the texts. Bounded: problems beyond CONFIG_PROBLEMS_MAX are only counted.
 */
#ifndef HF_CONFIG_PROBLEMS_H
#define HF_CONFIG_PROBLEMS_H

#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define CONFIG_PROBLEMS_MAX 200

/* Counted from 1. */
struct config_place {
	const char *file;
	size_t line, column;
};

struct config_problem {
	char *place;         /* "file.yaml:3:7", "HOLDFAST_LISTEN", "--listen" */
	char *what;          /* "budget: '400%' is out of range" */
	char *why;           /* what was expected, or what was probably meant; "" */
	size_t line, column; /* of a place in a file, else 0 */
};

VEC_STRUCT(config_problem_vec, struct config_problem);

struct config_problems {
	struct config_problem_vec list; /* as they were found, until they are sorted */
	size_t more;                    /* found, but not kept */
};

#define CONFIG_PROBLEMS_INIT     \
	{                        \
		.list = VEC_INIT \
	}

void config_problems_done(struct config_problems *problems);
size_t config_problems_count(const struct config_problems *problems);
/* 0 or -ENOMEM. `why` may be "". */
int config_problems_add(struct config_problems *problems, const char *place, const char *what,
			const char *why);
/* The same with "file:line:column" as the place. */
int config_problems_add_at(struct config_problems *problems, const struct config_place *place,
			   const char *what, const char *why);
/* By their places in the file; those of other places last, otherwise as they were found. */
void config_problems_sort(struct config_problems *problems);
/* "file.yaml:3:7: budget: '400%' is out of range; a percentage from …", one line each. */
int config_problems_print(const struct config_problems *problems, struct strbuf *out);
/* The first as an error for a user, without a last line; returns its -errno. There must be one. */
int config_problems_error(const struct config_problems *problems, struct hf_error *err);

#endif
