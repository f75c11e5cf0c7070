/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who really serves a process's malloc, and where its functions are.
 *
 * A function name is resolved as the dynamic linker does it: the first module in link order (the program,
 * preloaded libraries, then needed ones breadth first) that exports it. The order is read from the
 * process's own link map (SVR4 r_debug, as in <link.h>), not guessed from the maps. A static program has
 * its symbols in .symtab. Besides these, allocators under a prefixed name (je_, mi_, tc_, _rjem_) and the
 * pairs that the user names are found in any module; mimalloc's further functions (mi_zalloc, mi_heap_malloc, ...) where
 * it is linked in or another module imports mi_ names. A static program without symbols: by what its functions do (unnamed.h).
 *
 * A program that tells of its blocks by the USDTs otel_memory:alloc(block, bytes, weight) and otel_memory:free(block)
 * (design document 00003 of the OpenTelemetry eBPF profiler) is read through those alone: its malloc is not listed.
 *
 * Each address is listed once, whatever its names. operator new is listed where the malloc's own module defines it, or
 * one that is no C++ runtime (a program's own): that of a runtime ends in malloc and is counted there.
 */
#ifndef HOLDFAST_TARGET_ALLOCATOR_H
#define HOLDFAST_TARGET_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/space.h>

#include "base/err.h"
#include "process/elf/usdt.h"
#include "process/target/target.h"
#include "process/target/unnamed.h"

/* A place at which the program itself tells of a block (USDT). */
struct allocator_usdt {
	bool used;
	uint64_t semaphore; /* in the module, as linked; 0: none */
	struct usdt_argument pointer, size;
};

/* A function to be probed. */
struct allocator_function {
	char *name; /* the symbol */
	const struct module *module;
	uint64_t address; /* in the module, as linked */
	uint64_t size;    /* of the function; 0: unknown */
	struct hf_probe_cookie cookie;
	bool may_throw; /* a return probe would abort the target when an exception crosses it */
	struct allocator_usdt
		usdt;      /* used: address is that of its nop, cookie says function and op alone */
	uint8_t allocator; /* index into allocator_set.allocators */
};

struct allocator {
	const char *name; /* "glibc malloc", "jemalloc", ... */
	const struct module *module;
};

#define ALLOCATOR_MAX 16

#define ALLOCATOR_USDT_NAME "otel_memory USDT"

struct allocator_set {
	struct allocator allocators[ALLOCATOR_MAX];
	size_t count;
	struct allocator_function *functions;
	size_t function_count;
	size_t first_new; /* functions before it were there before the last allocator_set_add() */
};

/* A private allocator's function, named by the user. */
#define ALLOCATOR_SPECS_MAX 16 /* pairs of --alloc and --free */
struct allocator_spec {
	const char *symbol;
	const char *module; /* file name of the module; NULL: any */
	struct hf_probe_cookie cookie;
};

struct allocator_search {
	const struct allocator_spec *specs;
	size_t spec_count;
	/* Where there are no names, functions are tried, which takes about a second. */
	bool names_only;
	/* Of a process with the same program, or of this one before: its functions are not tried again. NULL: none. */
	const struct allocator_set *known;
	unnamed_pages *pages; /* unnamed.h */
};

/* Errors: HF_E_NOMALLOC with what was looked at; HF_E_UNSUPPORTED for Go, with the native tool's name;
 * HF_E_USAGE for a spec whose symbol no module has. */
int allocator_set_find(const struct target *target, const struct allocator_search *search,
		       struct allocator_set *ret, struct hf_error *err);
void allocator_set_done(struct allocator_set *set);
/* Takes out of @found the functions that @set does not have. 0 or -ENOMEM; what is left of @found is released. */
int allocator_set_add(struct allocator_set *set, struct allocator_set *found);
/* The same functions at the same places, to be probed alike. */
bool allocator_set_equal(const struct allocator_set *a, const struct allocator_set *b);

#endif
