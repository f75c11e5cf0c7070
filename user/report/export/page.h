/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One self-contained page of less than a mebibyte: web/page.html, each of whose four markers is
 * replaced. The files of web/ are on every page, those of web/report/ and web/diff/ on that page
 * alone. Each is followed by a newline; the shared ones come first, then the page's, each in byte
 * order of the names:
 *   CSS   by the *.css files;
 *   BODY  by the page's *.html file;
 *   DATA  by base64 of gzip of JSON (holdfast.report/1, holdfast.diff_page/1). The page sorts for
 *         itself, so sites best come in the order of their stacks read from the root: that makes
 *         the gzip a fifth smaller;
 *   JS    by the *.js files. They only define things, and page.js calls HF.show() when the document
 *         stands; so a file's place matters only to what takes names out of HF as it is read.
 */
#ifndef HOLDFAST_EXPORT_PAGE_H
#define HOLDFAST_EXPORT_PAGE_H

#include "report/export/sink.h"

enum page_kind { PAGE_REPORT, PAGE_DIFF, PAGE_KIND_COUNT };

struct page_data {
	const void *user;
	size_t count; /* of the sites, say: of what may be left out */
	/* The JSON with the @count that matter most, compressed, as the content of @ret_bytes. -errno. */
	int (*pack)(const void *user, size_t count, struct strbuf *ret_bytes);
};

/* Leaves out what matters least until the rest fits. -EFBIG: even without any it does not. */
int write_page(enum page_kind kind, const struct page_data *data, struct sink *sink);

#endif
