// SPDX-License-Identifier: GPL-2.0-or-later
/* help: the words, with what they take and do. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/ctl.h"
#include "cli/output.h"

#define COLUMN 27

struct word_help {
	const char *name, *arguments, *does;
};

static void add_word(struct strbuf *out, const struct word_help *word)
{
	size_t length = strlen(word->name) + 1 + strlen(word->arguments);

	strbuf_addf(out, "  %s %s", word->name, word->arguments);
	if (length >= COLUMN) {
		strbuf_addch(out, '\n');
		length = 0;
		strbuf_addstr(out, "  ");
	}
	strbuf_add_repeat(out, ' ', COLUMN - length);
	strbuf_addf(out, "%s\n", word->does);
}

int ctl_help(struct ctl *ctl, struct hf_error *error)
{
	static const struct word_help words[] = {
#define WORD(name, arguments, least, most, does) {#name, arguments, does},
#include "config/words.def"
#undef WORD
	};
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	(void)ctl;
	strbuf_addstr(&out, "usage: holdfast ctl [OPTIONS] WORD...\n\n");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		add_word(&out, &words[i]);
	strbuf_addstr(&out,
		      "\nTARGET is an id, a pid (also pid-N), or a name, as `holdfast ctl targets` "
		      "shows them.\nOptions: holdfast ctl --help\n");
	return output_bytes(&out, "-", error);
}
