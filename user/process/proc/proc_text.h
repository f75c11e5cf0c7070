/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the readers of this folder share: a file below /proc/PID as text, and numbers out of text that
 * a process can influence (names of commands, files and cgroups stand in it).
 *
 * A text need not be NUL-terminated; nothing is read past its size. Decimal and hexadecimal numbers that
 * do not fit in 64 bits are no numbers.
 */
#ifndef HOLDFAST_PROC_TEXT_H
#define HOLDFAST_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a text; borrowed. */
struct text {
	const char *p;
	const char *end;
};

/* Cuts the next line (without its newline) off @rest. False at the end. */
bool text_next_line(struct text *rest, struct text *ret_line);
/* Cuts the next word (up to a space, tab or newline) off @rest, skipping blanks before it. */
bool text_next_word(struct text *rest, struct text *ret_word);
/* Cuts a number off the front of @rest: false, and nothing cut, if none stands there. */
bool text_take_decimal(struct text *rest, uint64_t *ret);
bool text_take_hex(struct text *rest, uint64_t *ret);
/* Cuts the one character @c off the front. */
bool text_take_char(struct text *rest, char c);
/* Cuts the string @prefix off the front. */
bool text_take_prefix(struct text *rest, const char *prefix);
bool text_equal(struct text text, const char *string);
/* A copy on the heap, NUL-terminated; NULL: out of memory. */
char *text_copy(struct text text);

/* What stands after the first line that begins with @key ("VmRSS:"). */
bool text_find_key(struct text text, const char *key, struct text *ret_value);
/* The same, its first number. */
bool text_find_number(struct text text, const char *key, uint64_t *ret);

/*
 * The text of /proc/@pid/@name, on the heap. -ESRCH: no such process; -ENOENT: it is there but not that
 * file; -EACCES; -EFBIG: longer than @max_bytes.
 */
int proc_read(int pid, const char *name, size_t max_bytes, char **ret_data, size_t *ret_size);
/* What an errno from a call on a file of @pid means: see proc_read(). @err is positive; returns -errno. */
int proc_error(int pid, int err);
/* "/proc/@pid/@name" on the heap, or NULL. */
char *proc_path(int pid, const char *name);

#endif
