/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * demangle.h - readable and harmless names.
 *
 * Names come from a target: both functions take any bytes, end in bounded time and memory, and say
 * nothing that a terminal, a JSON file or a page could be tricked by. No state; any thread.
 */
#ifndef HOLDFAST_SYMBOL_DEMANGLE_H
#define HOLDFAST_SYMBOL_DEMANGLE_H

#include <stddef.h>

#define SYMBOL_NAME_MAX_BYTES 65536 /* longer names (before or after demangling) are cut */

/*
 * "_ZN3foo3barEv" -> "foo::bar()", Rust v0 and legacy (without the hash) too; a copy of the input if
 * it is not mangled, or if libiberty gives up: it refuses C++ names above 1,024 characters and deep
 * nesting, and we refuse names that unfold to more than SYMBOL_NAME_MAX_BYTES.
 * The result is not sanitized. NULL: no memory. Caller frees.
 */
char *symbol_demangle(const char *name);

/*
 * The bytes as printable UTF-8: control characters (C1 and bidirectional ones too) and invalid
 * sequences as \xNN, a backslash doubled; more than SYMBOL_NAME_MAX_BYTES are cut, which an ellipsis
 * shows. NULL: no memory. Caller frees.
 */
char *symbol_sanitize(const char *bytes, size_t len);

#endif
