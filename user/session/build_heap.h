/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the looks at a heap say, into the report. Internal to session/. */
#ifndef HOLDFAST_SESSION_BUILD_HEAP_H
#define HOLDFAST_SESSION_BUILD_HEAP_H

#include "base/strbuf.h"
#include "session/session_internal.h"

/* "cache::Entry", "text": printable. */
void build_heap_type(struct strbuf *out, enum heap_kind kind, const char *class_name);
/*
 * "global g_cache of redis-server, through an object cache::Table of 4.0 KiB"; nothing if it is not known. After
 * build_prepare_resolver().
 */
void build_heap_holder(struct strbuf *out, const struct session *session,
		       const struct heap_snapshot *snapshot, const struct heap_holder *holder);

/* Whether the report has a row for this group of a census. */
bool build_heap_shows(const struct heap_snapshot *snapshot, size_t group);

/* How a recording knows a site: the hash of its stack, 0: it has none, and its class. After the ingest thread's end. */
uint64_t build_heap_site(const struct session *session, int pid, site_id site, uint8_t *ret_class);

/* Types and sizes of what the processes hold, findings without a site, and what the looks cost. */
int build_heap(struct session *session, const struct verdict *verdict,
	       struct report_builder *builder);
/* Type and holder of a finding with a site. */
void build_heap_finding(const struct session *session, int pid, const struct finding *finding,
			struct strbuf *type, struct strbuf *held_by);

#endif
