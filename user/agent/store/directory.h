/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store's directory: made, locked, its files private, a damaged one set aside. */
#ifndef HOLDFAST_AGENT_STORE_DIRECTORY_H
#define HOLDFAST_AGENT_STORE_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

struct directory {
	int fd;
	int lock_fd;        /* -1: not locked */
	struct strbuf path; /* of the database */
};

#define DIRECTORY_INIT                                       \
	{                                                    \
		.fd = -1, .lock_fd = -1, .path = STRBUF_INIT \
	}

#define DIRECTORY_FILE_NAME "holdfast.db"
#define DIRECTORY_LOCK_NAME "holdfast.lock"
#define DIRECTORY_ASIDE     ".damaged-" /* TIME follows */

/*
 * Makes it (unless read_only), and locks it against another process (unless read_only): a record lock, which goes with this
 * process and is not handed to forked ones. -errno with @err set.
 */
int directory_open(struct directory *directory, const char *path, bool read_only,
		   struct hf_error *err);
void directory_close(struct directory *directory);

/* Makes the file with mode 0600 if it is not there, and takes others' rights from an old one. */
int directory_prepare_file(const struct directory *directory);
/* Renames it, its -wal and -shm to NAME.damaged-TIME; the new path goes to @aside. */
int directory_set_aside(const struct directory *directory, uint64_t wall_ns, struct strbuf *aside);
/* Of the file, or of its -wal; 0 if it is not there. */
uint64_t directory_file_bytes(const struct directory *directory, bool wal);

#endif
