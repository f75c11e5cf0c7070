/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_text.h - any bytes as a JSON string (RFC 8259), for those who compose a line of JSON in a strbuf. Documents are
 * written by report/export/json_out.h.
 *
 * Thread: none of its own. Errors: those of strbuf.h.
 */
#ifndef HF_BASE_JSON_TEXT_H
#define HF_BASE_JSON_TEXT_H

#include <stddef.h>

#include "base/strbuf.h"

/* What stands for a byte that is not UTF-8: U+FFFD. */
#define JSON_TEXT_REPLACEMENT "\xef\xbf\xbd"

/*
 * Length of the well-formed UTF-8 sequence at `p` (Unicode, table 3-7), 0 if there is none. Reads no byte behind one
 * that does not belong, so a NUL ends it.
 */
unsigned int json_text_utf8_length(const unsigned char *p);

/* The text in quotes, with the escapes it needs. 0 or -ENOMEM. */
int json_text_add(struct strbuf *out, const char *text);

#endif
