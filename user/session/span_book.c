// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/span_book.h"

#include <string.h>

void span_book_init(struct span_book *book)
{
	*book = (struct span_book){0};
	map64_init(&book->by_word, hash_seed_random());
	map64_init(&book->by_set, hash_seed_random());
}

void span_book_done(struct span_book *book)
{
	vec_done(&book->keys);
	vec_done(&book->words);
	map64_done(&book->by_word);
	map64_done(&book->by_set);
}

void span_book_key(struct span_book *book, const struct hf_event_span_key *event)
{
	if (map64_get(&book->by_word, event->word, NULL) ||
	    book->keys.count >= HF_MAX_SPAN_KEYS * HF_MAX_SPAN_RULES ||
	    vec_push(&book->keys, event->key))
		return;
	map64_put(&book->by_word, event->word, book->keys.count - 1);
}

void span_book_set(struct span_book *book, const struct hf_event_spans *event)
{
	if (map64_get(&book->by_set, event->set, NULL) ||
	    book->words.count / HF_MAX_SPAN_WORDS >= SPAN_SETS_MAX ||
	    vec_append(&book->words, (const uint64_t *)event->words, HF_MAX_SPAN_WORDS))
		return;
	map64_put(&book->by_set, event->set, book->words.count / HF_MAX_SPAN_WORDS - 1);
}

bool span_book_labels(struct span_book *book, uint64_t set, struct ledger_labels *ret)
{
	struct ledger_labels labels = {.id = set};
	uint64_t at;

	if (!map64_get(&book->by_set, set, &at)) {
		book->unknown++;
		return false;
	}
	labels.words = book->words.items + at * HF_MAX_SPAN_WORDS;
	while (labels.count < HF_MAX_SPAN_WORDS &&
	       (labels.words[labels.count] || (!labels.count && set)))
		labels.count++;
	*ret = labels;
	return labels.count > 0;
}

static void add_utf8(struct strbuf *out, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addch(out, (char)c);
		return;
	}
	if (c < 0x800) {
		strbuf_addch(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			strbuf_addch(out, (char)(0xe0 | c >> 12));
		} else {
			strbuf_addch(out, (char)(0xf0 | (c >> 18 & 7)));
			strbuf_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
}

static void add_characters(const struct hf_span_key *key, size_t unit, struct strbuf *ret)
{
	const char *bytes = (const char *)key->words;
	struct strbuf text = STRBUF_INIT;

	for (size_t at = 0; at + unit <= key->bytes; at += unit) {
		uint32_t c = 0;

		memcpy(&c, bytes + at, unit);
		add_utf8(&text, c);
	}
	strbuf_add_printable(ret, text.buf ? text.buf : "", text.len);
	ret->failed |= text.failed;
	strbuf_done(&text);
}

static void add_key(const struct hf_span_key *key, struct strbuf *ret)
{
	const char *bytes = (const char *)key->words;

	switch (key->kind) {
	case HF_SPAN_KEY_RAW:
		strbuf_add_printable(ret, bytes, key->bytes);
		break;
	case HF_SPAN_KEY_UCS1:
		add_characters(key, 1, ret);
		break;
	case HF_SPAN_KEY_UCS2:
		add_characters(key, 2, ret);
		break;
	case HF_SPAN_KEY_UCS4:
		add_characters(key, 4, ret);
		break;
	case HF_SPAN_KEY_NUMBER:
		strbuf_addf(ret, "%ld", (long)key->words[0]);
		return;
	case HF_SPAN_KEY_TYPE:
		strbuf_addch(ret, '<');
		strbuf_add_printable(ret, bytes, strnlen(bytes, key->bytes));
		strbuf_addch(ret, '>');
		return;
	case HF_SPAN_KEY_ALL:
		return;
	default:
		strbuf_addstr(ret, "(none)");
		return;
	}
	if (key->cut)
		strbuf_addstr(ret, "…");
}

void span_book_text(const struct span_book *book, uint64_t word, struct strbuf *ret)
{
	uint64_t at;

	if ((word & HF_SPAN_HASH) == HF_SPAN_MORE)
		strbuf_addstr(ret, "(more)");
	else if (map64_get(&book->by_word, word, &at))
		add_key(&book->keys.items[at], ret);
	else
		strbuf_addch(ret, '?');
}
