/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module + address -> function, file:line, inlined frames.
 *
 * A module is registered while its file can still be reached (the target lives, the library is mapped);
 * the symbolizer keeps descriptor-backed handles, so names survive the target's exit and a dlclose.
 * Modules with the same build id share one entry. Lookups are by module address (as linked).
 *
 * Names: .symtab, else debug file found by build id (/usr/lib/debug/.build-id/ab/cdef.debug), else
 * .gnu_debuglink beside the file, in .debug/ and under /usr/lib/debug, else .gnu_debugdata, else .dynsym.
 * Lines and inlined frames: libdw from the file or its debug file, only for addresses asked for, cached.
 * One owner, one thread. Debug files named by a target are opened inside the target's root.
 */
#ifndef HOLDFAST_SYMBOLIZER_H
#define HOLDFAST_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct symbolizer;

enum symbol_kind {
	SYMBOL_NATIVE,
	SYMBOL_INLINED,
	SYMBOL_KERNEL,
	SYMBOL_JIT,
	SYMBOL_PYTHON,
	SYMBOL_UNKNOWN
};

/* One frame. Strings are owned by the symbolizer and live as long as it does. */
struct symbol_frame {
	const char *function; /* demangled; "" if unknown */
	const char *file;     /* "" if unknown */
	uint32_t line;        /* 0 if unknown */
	uint64_t offset;      /* from the function's start */
	enum symbol_kind kind;
};

int symbolizer_new(struct symbolizer **ret);
void symbolizer_free(struct symbolizer *symbolizer);

struct symbol_module_options {
	const char *path; /* as mapped, for display and for finding the debug file */
	int root_pid;     /* look for debug files inside this process's root too; 0: only ours */
};

/* Registers a module; takes @file over (NULL: nothing known but its path). Equal build ids give the
 * number of the first. */
int symbolizer_add_module(struct symbolizer *symbolizer, struct elf_file *file,
			  const struct symbol_module_options *options, uint32_t *ret_module);

/* Reads /tmp/perf-NSPID.map in the target's mount namespace; its names serve symbolizer_resolve_jit(). */
int symbolizer_load_perf_map(struct symbolizer *symbolizer, int pid);

/*
 * Frames at @address of @module, innermost inlined frame first; at least one always. @ret_frames points
 * into the cache. An address that stems from a return address must be passed minus 1 by the caller.
 */
int symbolizer_resolve(struct symbolizer *symbolizer, uint32_t module, uint64_t address,
		       const struct symbol_frame **ret_frames, size_t *ret_count);
int symbolizer_resolve_jit(struct symbolizer *symbolizer, int pid, uint64_t address,
			   struct symbol_frame *ret);

/* "_ZN3foo3barEv" -> "foo::bar()", Rust v0 and legacy too; a copy of the input if not mangled. Caller frees. */
char *symbol_demangle(const char *name);

#endif
