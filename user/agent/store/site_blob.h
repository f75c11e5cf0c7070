/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sites of a snapshot as bytes (before packing): version, count, then column by column: the stack's number in the
 * dictionary as a difference to the one before, the four sums, component, state. All numbers LEB128, the state a byte.
 */
#ifndef HOLDFAST_AGENT_STORE_SITE_BLOB_H
#define HOLDFAST_AGENT_STORE_SITE_BLOB_H

#include <stddef.h>

#include "agent/store/site.h"
#include "base/strbuf.h"

/* Appends. In all of these ->stack is the number in the dictionary; @sites ascend by it. */
int site_blob_encode(const struct store_site *sites, size_t count, struct strbuf *out);
/* On the heap (free() it). -EBADMSG. */
int site_blob_decode(const struct strbuf *bytes, struct store_site **ret_sites, size_t *ret_count);

#endif
