/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server-sent events (WHATWG HTML, 9.2) out of bytes in pieces of any size: the data of each event. An event of more than
 * CTL_SSE_MOST bytes, or with a longer line, is passed over.
 *
 * Ownership: caller's storage, freed by ctl_sse_done(). Thread: none of its own.
 */
#ifndef HOLDFAST_CLI_CTL_SSE_H
#define HOLDFAST_CLI_CTL_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

#define CTL_SSE_MOST ((size_t)1 << 20)

struct ctl_sse {
	struct strbuf line, data;
	bool skip_line, skip_event; /* too long */
	bool after_return;          /* a newline that follows belongs to it */
	/* Of each event; not 0: no more is wanted. */
	int (*event)(const char *data, size_t size, void *user);
	void *user;
};

#define CTL_SSE_INIT                                      \
	{                                                 \
		.line = STRBUF_INIT, .data = STRBUF_INIT, \
	}

/* What event() returned, or 0. */
int ctl_sse_feed(struct ctl_sse *sse, const char *bytes, size_t size);
void ctl_sse_done(struct ctl_sse *sse);

#endif
