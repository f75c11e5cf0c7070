/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of offsets that CPython 3.13 and later keep at the beginning of _PyRuntime for debuggers: is ours the same? A build that was
 * made otherwise, as without the GIL or with Py_DEBUG, says so there.
 *
 * Source: _Py_DebugOffsets in Include/internal/pycore_runtime.h of 3.13.
 */
#ifndef HOLDFAST_PYTHON_DEBUG_OFFSETS_H
#define HOLDFAST_PYTHON_DEBUG_OFFSETS_H

#include "process/python/layout.h"

#define PYTHON_DEBUG_WORDS 73

/* @words: PYTHON_DEBUG_WORDS of _PyRuntime. NULL: they agree with @layout, which is of 3.13; else why not, for people. */
const char *python_debug_offsets_check(const uint64_t *words, const struct python_layout *layout);

#endif
