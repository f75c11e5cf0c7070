/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where CPython keeps what we read of it: offsets in bytes, by minor version. They do not change within one. What is the same in
 * all of them: object_layout.h.
 *
 * Sources: Include/cpython/ and Include/internal/ of each version (pycore_{runtime,interp,frame,gc,dict,obmalloc}.h, object.h), as
 * built on x86-64 Linux without Py_DEBUG and Py_GIL_DISABLED. tests/e2e/lib/python_layout.c holds them against the headers.
 */
#ifndef HOLDFAST_PYTHON_LAYOUT_H
#define HOLDFAST_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/python.h>

#include "process/python/object_layout.h"

/* Where an instance of a class has its attributes, unless they are in a dict of their own. */
enum python_values_style {
	PYTHON_VALUES_POINTER, /* a pointer before the dict's: an array of values */
	PYTHON_VALUES_TAGGED, /* in the dict's place, with the lowest bit set: one byte before it */
	PYTHON_VALUES_INLINE, /* behind the object, of types that say so: after a head of four bytes */
};

enum python_lock_style {
	PYTHON_LOCK_SEMAPHORE, /* its value: 0 while it is held */
	PYTHON_LOCK_BYTE,      /* 0 while it is not */
};

struct python_layout {
	uint8_t minor;                 /* of 3.minor */
	uint16_t runtime_interpreters; /* _PyRuntimeState: the first interpreter */
	/* PyInterpreterState: its collector (PYTHON_GC_…), sys.modules, and how much of it may hold objects. */
	uint16_t interpreter_gc, interpreter_modules;
	uint32_t interpreter_bytes;
	uint16_t thread_bytes; /* PyThreadState */
	uint16_t class_keys;   /* PyHeapTypeObject: names of its instances' attributes */
	/* PyCodeObject: names of locals, how many; cells and free variables come last. */
	uint8_t code_names, code_name_count, code_free_count;
	uint8_t values; /* enum python_values_style */
	/* The GIL (PYTHON_GIL_…): in 3.11 within _PyRuntimeState, later where PyInterpreterState has a pointer to it. */
	bool gil_of_interpreter;
	uint16_t gil;
	/* The lock of what is to be called by the main thread: of style PYTHON_LOCK_SEMAPHORE a pointer to a sem_t, else a byte. */
	bool pending_of_interpreter; /* in PyInterpreterState; else in _PyRuntimeState */
	uint8_t pending_style;       /* enum python_lock_style */
	uint16_t pending_lock;
	/* But for its address. Of a code object: file and name, which is qualified, are str objects, its lines a bytes object:
	 * the location table; the first line is an int. */
	struct hf_python frames;
	uint16_t generator_code;         /* PyGenObject, PyCoroObject, PyAsyncGenObject */
	uint16_t ascii_text, other_text; /* of a compact str, behind its head */
};

/* Of PY_VERSION_HEX; NULL: none is known. */
const struct python_layout *python_layout_find(uint32_t version_hex);

#endif
