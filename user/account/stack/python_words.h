/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of Python in stacks (holdfast/python.h), put where they belong: in place of the native frame of the interpreter's
 * loop that works through them. Pure.
 */
#ifndef HOLDFAST_STACK_PYTHON_WORDS_H
#define HOLDFAST_STACK_PYTHON_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/python.h>

/*
 * From @words as they came, Python's runs first, to frames leaf first. What has no native frame (a coroutine library moved it
 * elsewhere, or the walk ended before it) comes last. @ret: room for @count. Returns how many there are.
 */
size_t python_words_merge(const uint64_t *words, size_t count, uint64_t *ret);

/* Of a merged stack. */
static inline int stack_word_is_python(uint64_t word)
{
	return hf_python_is_frame(word);
}

#endif
