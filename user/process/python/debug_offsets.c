// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/debug_offsets.h"

#include <stddef.h>
#include <string.h>

#define FREE_THREADED 2 /* the word that says so */

/* Which of its words is to be what. */
struct check {
	uint8_t word;
	uint64_t ours;
};

const char *python_debug_offsets_check(const uint64_t *words, const struct python_layout *l)
{
	const struct hf_python *f = &l->frames;
	const struct check checks[] = {
		{5, l->runtime_interpreters},
		{6, l->interpreter_bytes},
		{8, f->interpreter_next},
		{9, f->interpreter_threads},
		{10, l->interpreter_gc},
		{11, l->interpreter_modules},
		{14, l->gil},
		{19, l->thread_bytes},
		{21, f->thread_next},
		{23, f->thread_frame},
		{24, f->thread_id},
		{29, f->frame_previous},
		{30, f->frame_code},
		{31, f->frame_instruction},
		{32, PYTHON_FRAME_LOCALS},
		{33, f->frame_mark},
		{35, f->code_file + HF_PYTHON_CODE_FROM},
		{37, f->code_name + HF_PYTHON_CODE_FROM},
		{38, f->code_lines + HF_PYTHON_CODE_FROM},
		{39, f->code_first_line + HF_PYTHON_CODE_FROM},
		{41, l->code_names},
		{43, f->code_units},
		{45, PYTHON_TYPE},
		{47, PYTHON_TYPE_NAME},
		{49, PYTHON_TYPE_FLAGS},
		{51, PYTHON_TUPLE_ITEMS},
		{54, PYTHON_LIST_ITEMS},
		{57, PYTHON_DICT_KEYS},
		{58, PYTHON_DICT_VALUES},
		{66, PYTHON_BYTES_TEXT},
		{68, PYTHON_STR_STATE},
		{69, PYTHON_OBJECT_COUNT},
		{70, l->ascii_text},
		{72, PYTHON_GC_COLLECTING},
	};

	if (memcmp(words, "xdebugpy", 8))
		return "it has no table of its offsets";
	if (words[FREE_THREADED])
		return "it is a free-threaded build";
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (words[checks[i].word] != checks[i].ours)
			return "its table of offsets is not that of its version";
	return NULL;
}
