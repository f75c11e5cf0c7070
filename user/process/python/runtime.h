/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is there a CPython interpreter in a process, and which? By the symbols that every build exports, be it in the program or in
 * a library, stripped or not.
 */
#ifndef HOLDFAST_PYTHON_RUNTIME_H
#define HOLDFAST_PYTHON_RUNTIME_H

#include <stdint.h>

#include "process/python/layout.h"
#include "process/target/target.h"

/* Types that are told by their addresses; others by their flags. */
enum python_builtin {
	PYTHON_CODE,
	PYTHON_TYPE_TYPE,
	PYTHON_SET,
	PYTHON_FROZEN_SET,
	PYTHON_MODULE,
	PYTHON_FUNCTION,
	PYTHON_CELL,
	PYTHON_WEAK_REF,
	PYTHON_WEAK_PROXY,
	PYTHON_WEAK_CALL_PROXY,
	PYTHON_BYTEARRAY,
	PYTHON_BUILTINS,
};

struct python_runtime {
	uint32_t version_hex; /* as PY_VERSION_HEX: 0x030b02f0 is 3.11.2; 0: not known (before 3.11) */
	uint64_t address;     /* of _PyRuntime */
	uint64_t types[PYTHON_BUILTINS];    /* of each; 0: not exported */
	const struct python_layout *layout; /* NULL: not known, or not a build that is understood */
	const char *trouble;                /* why there is no layout, for people; NULL: there is */
};

/* 0; -ENOENT: no CPython (of 3.7 or later) in it; -errno: it can't be read. */
int python_runtime_find(const struct target *target, struct python_runtime *ret);

/* The module that it lies in, and how far that is from where it was linked; NULL: it is gone. */
const struct module *python_runtime_module(const struct target *target,
					   const struct python_runtime *runtime,
					   uint64_t *ret_bias);

/* The address of a function that the interpreter's module exports; 0: it does not. */
uint64_t python_runtime_function(const struct target *target, const struct python_runtime *runtime,
				 const char *name);

#endif
