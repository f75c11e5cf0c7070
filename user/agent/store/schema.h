/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the file, by version, and the way from each version to the next. */
#ifndef HOLDFAST_AGENT_STORE_SCHEMA_H
#define HOLDFAST_AGENT_STORE_SCHEMA_H

#include <stddef.h>

#include "agent/store/database.h"

/* migrations[i] makes version i + 1 of version i; version 0 is an empty file. */
struct schema {
	const char *const *migrations;
	size_t version; /* how many they are */
};

extern const struct schema store_schema;

/*
 * Brings the file to the schema's version, in one transaction. -ENOTSUP: it is of a newer version, *ret_version; -EBADMSG: it
 * is no file of ours, or damaged. With @read_only nothing is written and -ENOTSUP means also an older one. *ret_version is set
 * whenever it could be read.
 */
int schema_prepare(struct database *db, const struct schema *schema, bool read_only,
		   size_t *ret_version);
/* A quick_check, given up after @seconds (then all is fine as far as seen): 0, -EBADMSG and damage noted, or another error. */
int schema_check(struct database *db, unsigned int seconds);

#endif
