/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module + address -> function, file:line, inlined frames.
 *
 * A module is registered while its file can still be reached (the target lives, the library is mapped);
 * the symbolizer keeps descriptor-backed handles, so names survive the target's exit and a dlclose.
 * Modules with the same build id and segments share one entry. Lookups are by module address (as linked).
 *
 * Names: .symtab, else debug file found by build id (/usr/lib/debug/.build-id/ab/cdef.debug), else
 * .gnu_debuglink beside the file, in .debug/ and under /usr/lib/debug, else .gnu_debugdata, else .dynsym.
 * Lines and inlined frames: libdw from the file or its debug file, only for addresses asked for, cached.
 * One owner, one thread. Debug files named by a target are opened inside the target's root, too.
 *
 * A function has the same name whether or not there are lines: the symbol table's, demangled, without
 * version and ".cold"; stubs are "name@plt". Inlined functions, which have no symbol, are named by their
 * linkage name, else "namespace::name" without parameters.
 * All strings are printable UTF-8 (see symbol_sanitize()), whatever the target's bytes are.
 */
#ifndef HOLDFAST_SYMBOLIZER_H
#define HOLDFAST_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/symbol/demangle.h"

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
	const char *file;     /* as DWARF tells, with the compilation directory; "" if unknown */
	uint32_t line;        /* 0 if unknown */
	uint64_t offset;      /* from the function's start; 0 for an inlined or unknown one */
	enum symbol_kind kind;
};

/*
 * Names, files and answers take at most SYMBOLIZER_MEMORY_BYTES; what comes later is answered with an
 * unknown frame and counted (symbolizer_counts.not_kept).
 */
#define SYMBOLIZER_MEMORY_BYTES ((uint64_t)256 << 20)

int symbolizer_new(struct symbolizer **ret);
void symbolizer_free(struct symbolizer *symbolizer);
/* Another bound. Before the first module or perf map is added. */
void symbolizer_limit_memory(struct symbolizer *symbolizer, uint64_t max_bytes);

struct symbol_module_options {
	const char *path; /* as mapped, for display and for finding the debug file */
	int root_pid;     /* look for debug files inside this process's root too; 0: only ours */
	/* Opens a file read-only within that root (process_open_file()); NULL: only ours. */
	int (*open_in_target)(int root_pid, const char *path);
};

/* Registers a module; takes @file over in any case (NULL: nothing known but its path). Equal build ids give
 * the number of the first. Debug files are found and opened here, read later. 0 or -ENOMEM. */
int symbolizer_add_module(struct symbolizer *symbolizer, struct elf_file *file,
			  const struct symbol_module_options *options, uint32_t *ret_module);

/*
 * Reads /tmp/perf-NSPID.map; its names serve symbolizer_resolve_jit() and replace those read before.
 * @open_in_target as above (NULL: our own /tmp). At most 256 MiB over all processes: -EFBIG.
 * -ENOENT and others as open(2); -ENOMEM.
 */
int symbolizer_load_perf_map(struct symbolizer *symbolizer, int pid, int namespace_pid,
			     int (*open_in_target)(int root_pid, const char *path));
/* The same from text, which is copied. */
int symbolizer_set_perf_map(struct symbolizer *symbolizer, int pid, const char *text, size_t size);
/* The process has ended: drops its perf map. */
void symbolizer_forget_process(struct symbolizer *symbolizer, int pid);

#define SYMBOL_MAX_FRAMES 64 /* at one address */

/*
 * Frames at @address of @module, innermost inlined frame first; one at least, SYMBOL_MAX_FRAMES at most.
 * @ret_frames points into the cache and lives as long as the symbolizer. An address that stems from a
 * return address must be passed minus 1 by the caller. -EINVAL: no such module; -ENOMEM.
 */
int symbolizer_resolve(struct symbolizer *symbolizer, uint32_t module, uint64_t address,
		       const struct symbol_frame **ret_frames, size_t *ret_count);
/* @address as in the process. -ENOENT (nothing written): no line of its perf map covers it. */
int symbolizer_resolve_jit(struct symbolizer *symbolizer, int pid, uint64_t address,
			   struct symbol_frame *ret);

/* Gives back what only new questions need (files, symbol tables, libdw's memory); answers stay. After a report, in the agent. */
void symbolizer_release(struct symbolizer *symbolizer);

struct symbolizer_counts {
	uint64_t modules;
	uint64_t modules_with_symbols; /* more than .dynsym; of those asked about */
	uint64_t modules_with_debug;   /* DWARF; of those asked about */
	uint64_t addresses;            /* distinct ones asked for, without jitted code */
	uint64_t named;                /* of these: the containing function is known */
	uint64_t with_line;            /* of these: the innermost frame's line is known */
	uint64_t not_kept;             /* questions answered "unknown" for lack of memory */
	uint64_t jit_lines_dropped;    /* lines of perf maps that are malformed or too many */
	uint64_t curtailed;            /* questions whose DWARF exceeded a bound */
	uint64_t memory_bytes;         /* names, files, answers */
	uint64_t look_up_ns;           /* spent on distinct addresses */
};

void symbolizer_counts(const struct symbolizer *symbolizer, struct symbolizer_counts *ret);

#endif
