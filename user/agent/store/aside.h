/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the store that were found damaged and set aside (directory_set_aside()): how much they take, and which is the oldest. Whoever wants
 * to save what is in one has until they are as old as the oldest that the store keeps, or their room is needed.
 */
#ifndef HOLDFAST_AGENT_STORE_ASIDE_H
#define HOLDFAST_AGENT_STORE_ASIDE_H

#include <stdint.h>

#include "agent/store/directory.h"

struct aside_files {
	uint64_t count, bytes;
	uint64_t oldest_ns; /* wall, when it was set aside, by its name; what has no time there: when it was written last */
	char oldest[64]; /* its name; "": there is none */
};

/* Each file of its own: a database, its -wal. 0 or -errno. */
int aside_look(const struct directory *directory, struct aside_files *ret);
/* 0; -ENOENT. */
int aside_remove(const struct directory *directory, const char *name);

#endif
