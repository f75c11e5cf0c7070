/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.h - the error a user gets to see: a stable code, what happened, why, what to do.
 *
 *	holdfast: [HF-E-NOPID] there is no process 4711
 *	  why: it has ended, or it lives in another PID namespace
 *	  do: list processes with `holdfast ps`
 *
 * A function that can fail for a reason the user must know takes `struct hf_error *err` (may be
 * NULL) as its last parameter and returns -errno:
 *
 *	if (kill(pid, 0) < 0) {
 *		error_set(err, HF_E_NOPID, "there is no process %d", pid);
 *		error_why(err, "it has ended, or it lives in another PID namespace");
 *		return error_fix(err, "list processes with `holdfast ps`");
 *	}
 *
 * Ownership: whoever declares `_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;` owns the
 * texts. A later error_set() replaces an earlier one: whoever is nearest to the user has the last
 * word. Out of memory while composing leaves the code and exit code right and the text cut.
 */
#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/strbuf.h"

/* X(name, exit code of the program, errno returned where error_set() is not told a better one) */
#define HF_ERROR_CODES(X)           \
	X(USAGE, 64, EINVAL)        \
	X(BADFILE, 65, EBADMSG)     \
	X(NOPID, 66, ESRCH)         \
	X(NOFILE, 66, ENOENT)       \
	X(NOMALLOC, 69, ENOTSUP)    \
	X(UNSUPPORTED, 69, ENOTSUP) \
	X(NOKERNEL, 69, ENOSYS)     \
	X(INTERNAL, 70, EIO)        \
	X(CANTWRITE, 73, EIO)       \
	X(BUDGET, 75, EAGAIN)       \
	X(DETACHED, 75, ECANCELED)  \
	X(PERM, 77, EPERM)          \
	X(CONFIG, 78, EINVAL)

enum hf_error_code {
	HF_E_NONE,
#define HF_ERROR_ENUM(name, exit_code, errnum) HF_E_##name,
	HF_ERROR_CODES(HF_ERROR_ENUM) HF_E_COUNT
#undef HF_ERROR_ENUM
};

struct hf_error {
	enum hf_error_code code; /* HF_E_NONE: nothing has failed */
	int err;                 /* negative errno, the value the failing function returned */
	struct strbuf what;      /* one line each, without newline */
	struct strbuf why;       /* may be empty */
	struct strbuf fix;       /* may be empty */
};

#define HF_ERROR_INIT                                                       \
	{                                                                   \
		.what = STRBUF_INIT, .why = STRBUF_INIT, .fix = STRBUF_INIT \
	}

void error_init(struct hf_error *e);
/* Frees the texts; `e` is as after error_init(). NULL is fine. */
void error_done(struct hf_error *e);

/* "NOPID"; "NONE" for HF_E_NONE. */
const char *error_code_name(enum hf_error_code code);
/* 64..78; 0 for HF_E_NONE. */
int error_exit_code(enum hf_error_code code);
/* True once error_set() has been called. NULL: false. */
bool error_is_set(const struct hf_error *e);

/*
 * Set code and the first line; why and fix become empty. Return the negative errno to hand on: the
 * table's, or -errnum (errnum > 0). `e` may be NULL in all of these: then only the value is
 * returned.
 */
int error_set(struct hf_error *e, enum hf_error_code code, const char *what_fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_set_errno(struct hf_error *e, enum hf_error_code code, int errnum, const char *what_fmt,
		    ...) __attribute__((format(printf, 4, 5)));
/* Fill in the other lines; return the negative errno of `e` (-EIO if `e` is NULL or not set). */
int error_why(struct hf_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int error_fix(struct hf_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Moves from *from (becomes empty) to *to, whose former texts are freed. */
void error_move(struct hf_error *to, struct hf_error *from);

/* The three lines (those that are there). Control characters are escaped: names of targets appear
 * in them. */
void error_print(const struct hf_error *e, FILE *out);

#endif
