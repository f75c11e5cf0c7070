/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process has in place of a Python interpreter. Input: a byte that chooses the layout, one for the unit; then memory, in
 * which a thread begins, and which serves as a location table and as a stack's words, too.
 *
 * Whatever it holds: the walk ends within its bounds, as many runs end as it says, a table gives a line or none, and merged
 * words are as many as came, without a mark.
 */
#include <stdlib.h>

#include "account/stack/python_words.h"
#include "bpfcore/python_host.h"
#include "core/span.h"
#include "process/python/code.h"

#define BASE 0x7f0000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void walk(const uint8_t *data, size_t size, uint8_t choice)
{
	const struct python_layout *layout =
		python_layout_find(3u << 24 | (11u + choice % 3) << 16);
	uint64_t merged[HF_MAX_PYTHON_FRAMES];
	struct host_walk w;
	uint32_t ends = 0;
	size_t count;

	host_python = (struct host_python){data, BASE, size};
	host_python_walk(&w, &layout->frames, BASE);
	must(w.count <= HF_MAX_PYTHON_FRAMES && w.count == w.walk.count);
	for (uint32_t i = 0; i < w.count; i++)
		ends += (w.words[2 * i] & HF_PYTHON_LAST) != 0;
	must(ends == w.walk.run_count);
	count = python_words_merge(w.words, 2 * w.count, merged);
	must(count == w.count);
	for (size_t i = 0; i < count; i++)
		must(stack_word_is_python(merged[i]) && !(merged[i] & HF_PYTHON_LAST));
}

/* The same memory as a frame whose variable names a span: its key keeps its bounds. */
static void read_key(const uint8_t *data, size_t size, uint8_t choice)
{
	struct hf_span_key key;

	host_python = (struct host_python){data, BASE, size};
	hf_span_key_variable(&key, choice & 1, BASE, choice >> 2 & 7, choice & 2);
	must(key.bytes < HF_SPAN_KEY_BYTES && key.kind < HF_SPAN_KEY_KINDS);
	must((hf_span_word(&key, choice & 31) & HF_SPAN_HASH) != HF_SPAN_MORE);
}

static void merge(const uint8_t *data, size_t size)
{
	uint64_t words[HF_MAX_STACK_WORDS], merged[HF_MAX_STACK_WORDS];
	size_t count = size / sizeof(*words);

	if (count > HF_MAX_STACK_WORDS)
		count = HF_MAX_STACK_WORDS;
	memcpy(words, data, count * sizeof(*words));
	must(python_words_merge(words, count, merged) <= count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_code code = {.first_line = 1};

	if (size < 2)
		return 0;
	walk(data + 2, size - 2, data[0]);
	read_key(data + 2, size - 2, data[0]);
	merge(data + 2, size - 2);
	code.lines = malloc(size - 1);
	if (!code.lines)
		return 0;
	memcpy(code.lines, data + 2, size - 2);
	code.line_bytes = size - 2;
	python_code_line(&code, data[1]);
	python_code_done(&code);
	return 0;
}
