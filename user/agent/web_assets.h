/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of the agent's page, as they are served: web/ of this folder, what it shares with the
 * report's page, and the libraries and notices from Debian's packages. Constant, and embedded in the
 * program (Makefile), so all of it lives as long as the program and belongs to any thread.
 */
#ifndef HOLDFAST_AGENT_WEB_ASSETS_H
#define HOLDFAST_AGENT_WEB_ASSETS_H

#include <stddef.h>

struct web_asset {
	const char *path;         /* of the address, absolute: "/", "/ui/app.js" */
	const char *content_type; /* with its charset, where it has one */
	const char *start, *end;  /* the bytes; *end is 0 */
};

/* What the page needs to be let do, and no more; for the header Content-Security-Policy of each. */
#define WEB_ASSET_POLICY                                                               \
	"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'none'"

/* All, in byte order of their paths. */
const struct web_asset *web_assets(size_t *ret_count);

/* The one of exactly this @path, without a query; NULL: there is none. */
const struct web_asset *web_asset_find(const char *path);

#endif
