// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/stack/python_words.h"

/* One run, without its marks. Returns where the next begins. */
static size_t add_run(const uint64_t *words, size_t at, size_t end, uint64_t *ret, size_t *count)
{
	uint64_t word = 0;

	while (at < end && !(word & HF_PYTHON_LAST)) {
		word = words[at];
		at += 2;
		ret[(*count)++] = word & ~HF_PYTHON_LAST;
	}
	return at;
}

size_t python_words_merge(const uint64_t *words, size_t count, uint64_t *ret)
{
	size_t end = 0, run = 0, merged = 0;

	while (end + 1 < count && hf_python_is_frame(words[end]))
		end += 2;
	for (size_t i = end; i < count; i++) {
		uint64_t pc = words[i] & ~(HF_PYTHON_FRAME | HF_PYTHON_LOOP);

		if (words[i] & HF_PYTHON_LOOP && run < end)
			run = add_run(words, run, end, ret, &merged);
		else
			ret[merged++] = pc;
	}
	while (run < end)
		run = add_run(words, run, end, ret, &merged);
	return merged;
}
