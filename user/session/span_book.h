/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the words of spans mean, and the sets of them that allocations name (holdfast/span.h). One writer: whoever owns the
 * accounts. Bounded by HF_MAX_SPAN_KEYS keys a rule and SPAN_SETS_MAX sets; past that an allocation has no spans, and is
 * counted. Internal to session/.
 */
#ifndef HOLDFAST_SESSION_SPAN_BOOK_H
#define HOLDFAST_SESSION_SPAN_BOOK_H

#include <stdint.h>

#include <holdfast/event.h>

#include "account/ledger/ledger.h"
#include "base/hashmap.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define SPAN_SETS_MAX (1u << 20)

struct span_book {
	VEC(struct hf_span_key) keys;
	VEC(uint64_t) words;          /* of all sets: HF_MAX_SPAN_WORDS each */
	struct map64 by_word, by_set; /* -> index */
	uint64_t unknown;             /* times that a set was named that was not told */
};

void span_book_init(struct span_book *book);
void span_book_done(struct span_book *book);

void span_book_key(struct span_book *book, const struct hf_event_span_key *event);
void span_book_set(struct span_book *book, const struct hf_event_spans *event);
/* False: no such set was told. Good until the next set is. */
bool span_book_labels(struct span_book *book, uint64_t set, struct ledger_labels *ret);
/* The key, printable; "(more)", "(none)" and the like where there is none; "?" if it was not told. */
void span_book_text(const struct span_book *book, uint64_t word, struct strbuf *ret);

#endif
