/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where CPython keeps what we read of it: offsets in bytes, by minor version. They do not change within one.
 *
 * Sources: Include/cpython/{code,pystate,unicodeobject}.h and Include/internal/pycore_{runtime,interp,frame}.h of each version,
 * as built on x86-64 Linux without Py_DEBUG and Py_GIL_DISABLED.
 */
#ifndef HOLDFAST_PYTHON_LAYOUT_H
#define HOLDFAST_PYTHON_LAYOUT_H

#include <stdint.h>

#include <holdfast/python.h>

struct python_layout {
	uint8_t minor;                 /* of 3.minor */
	uint16_t runtime_interpreters; /* _PyRuntimeState: the first interpreter */
	/* But for its address. Of a code object: file and name, which is qualified, are str objects, its lines a bytes object:
	 * the location table; the first line is an int. */
	struct hf_python frames;
	uint16_t ascii_text, other_text; /* of a compact str, behind its head */
};

/* Of PY_VERSION_HEX; NULL: none is known. */
const struct python_layout *python_layout_find(uint32_t version_hex);

/* The same in all of them. */
#define PYTHON_OBJECT_COUNT 16 /* PyVarObject, and a str's length */
#define PYTHON_STR_STATE    32
#define PYTHON_BYTES_TEXT   32

#endif
