/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of a module as those who follow it see it, by address as linked. module_code.h makes one of a file. */
#ifndef HOLDFAST_CODE_VIEW_H
#define HOLDFAST_CODE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code/callees.h"

struct code_view {
	/* Up to 15 bytes at @address, valid until the next call; NULL: none. */
	const uint8_t *(*read)(void *user, uint64_t address, size_t *ret_size);
	/* The function around @address, [start, end). False: not known. */
	bool (*function)(void *user, uint64_t address, uint64_t *ret_start, uint64_t *ret_end);
	/* Who is reached by a branch to @address, and by one through the pointer at @slot. */
	struct callee (*called)(void *user, uint64_t address);
	struct callee (*called_through)(void *user, uint64_t slot);
	void *user;
};

#endif
