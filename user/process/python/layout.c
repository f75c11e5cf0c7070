// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/layout.h"

#include <stddef.h>

/* A frame, a code object, but for where its instructions begin, and a str as they are from 3.12 on. */
#define FRAME_SINCE_12                                                                          \
	.frame_code = 0, .frame_previous = 8, .frame_instruction = 56, .frame_mark = 70,        \
	.mark = 3, .code_first_line = 52, .code_file = 96, .code_name = 112, .code_lines = 120, \
	.style = HF_PYTHON_ENTRY_FRAME
#define OBJECTS_SINCE_12 .generator_code = 72, .ascii_text = 40, .other_text = 56

static const struct python_layout layouts[] = {
	{
		.minor = 11,
		.runtime_interpreters = 40,
		.interpreter_gc = 648,
		.interpreter_modules = 888,
		.interpreter_bytes = 107752,
		.thread_bytes = 360,
		.class_keys = 872,
		.code_names = 96,
		.code_name_count = 76,
		.code_free_count = 92,
		.values = PYTHON_VALUES_POINTER,
		.gil = 360,
		.pending_of_interpreter = true,
		.pending_style = PYTHON_LOCK_SEMAPHORE,
		.pending_lock = 112,
		.frames = {.interpreter_next = 0,
			   .interpreter_threads = 16,
			   .thread_next = 8,
			   .thread_id = 152,
			   .thread_frame = 56,
			   .has_cframe = 1,
			   .cframe_frame = 8,
			   .cframe_previous = 16,
			   .frame_code = 32,
			   .frame_previous = 48,
			   .frame_instruction = 56,
			   .frame_mark = 68,
			   .code_units = 184,
			   .code_first_line = 56,
			   .code_file = 96,
			   .code_name = 112,
			   .code_lines = 120,
			   .style = HF_PYTHON_ENTRY_FLAG},
		.generator_code = 16,
		.ascii_text = 48,
		.other_text = 72,
	},
	{
		.minor = 12,
		.runtime_interpreters = 40,
		.interpreter_gc = 112,
		.interpreter_modules = 944,
		.interpreter_bytes = 383552,
		.thread_bytes = 288,
		.class_keys = 880,
		.code_names = 96,
		.code_name_count = 72,
		.code_free_count = 88,
		.values = PYTHON_VALUES_TAGGED,
		.gil_of_interpreter = true,
		.gil = 384,
		.pending_style = PYTHON_LOCK_SEMAPHORE,
		.pending_lock = 2024,
		.frames = {.interpreter_next = 0,
			   .interpreter_threads = 72,
			   .thread_next = 8,
			   .thread_id = 136,
			   .thread_frame = 56,
			   .has_cframe = 1,
			   .cframe_frame = 0,
			   .cframe_previous = 8,
			   .code_units = 192,
			   FRAME_SINCE_12},
		OBJECTS_SINCE_12,
	},
	{
		.minor = 13,
		.runtime_interpreters = 632,
		.interpreter_gc = 7400,
		.interpreter_modules = 7656,
		.interpreter_bytes = 194968,
		.thread_bytes = 304,
		.class_keys = 880,
		.code_names = 96,
		.code_name_count = 72,
		.code_free_count = 88,
		.values = PYTHON_VALUES_INLINE,
		.gil_of_interpreter = true,
		.gil = 16,
		.pending_style = PYTHON_LOCK_BYTE,
		.pending_lock = 2648,
		.frames = {.interpreter_next = 7264,
			   .interpreter_threads = 7344,
			   .thread_next = 8,
			   .thread_id = 152,
			   .thread_frame = 72,
			   .code_units = 200,
			   FRAME_SINCE_12},
		OBJECTS_SINCE_12,
	},
};

const struct python_layout *python_layout_find(uint32_t version_hex)
{
	if (version_hex >> 24 != 3)
		return NULL;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (layouts[i].minor == (version_hex >> 16 & 0xff))
			return &layouts[i];
	return NULL;
}
