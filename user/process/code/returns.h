/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a call of a function comes back: every `ret` that its frame can leave by.
 *
 * For functions whose return address must stay as it is, because an exception may pass (operator new). Such
 * functions often leave by a jump to another one, whose ret is then theirs; so all jumps are followed, out of
 * the function and through the linkage table too, and no call is. Calls are taken to return, so more may be
 * found than is ever reached, never less: a jump to where the code does not tell is an error.
 *
 * Hostile code ends the search: after RETURNS_MAX_INSTRUCTIONS, or at bytes that are no instruction.
 */
#ifndef HOLDFAST_CODE_RETURNS_H
#define HOLDFAST_CODE_RETURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETURNS_MAX              64
#define RETURNS_MAX_INSTRUCTIONS 8192

/* The code, by address as linked. */
struct returns_code {
	/* Up to 15 bytes at @address; NULL: none. */
	const uint8_t *(*read)(void *user, uint64_t address, size_t *ret_size);
	/* Where the pointer at @slot leads, which the dynamic linker fills in. False: not into this code. */
	bool (*slot)(void *user, uint64_t slot, uint64_t *ret_address);
	/* A function begins there: what stands before does not go on into it. False also if not known. */
	bool (*begins)(void *user, uint64_t address);
	void *user;
};

struct returns {
	uint64_t addresses[RETURNS_MAX];
	size_t count;
};

/* 0; -ENOTSUP: it jumps where the code does not tell; -EILSEQ: bytes that are no instruction; -E2BIG: too much
 * code or too many places; -ENOENT: it never returns; -ENOMEM. @ret is filled in on success only. */
int returns_find(const struct returns_code *code, uint64_t entry, struct returns *ret);
/* An error of returns_find() in words that follow "can't be probed: ". */
const char *returns_error(int err);

#endif
