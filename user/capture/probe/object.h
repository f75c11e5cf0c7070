/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel has loaded of our BPF object, as descriptors. libbpf keeps the object itself, its types and each program's
 * instructions for as long as it is open, a MiB that nobody asks for again; this needs none of it. Private to this folder.
 */
#ifndef HOLDFAST_PROBE_OBJECT_H
#define HOLDFAST_PROBE_OBJECT_H

#include <stdint.h>

struct holdfast_bpf;
struct holdfast_bpf__bss;

/* X(name): those that the user side reads or writes. */
#define PROBE_MAPS(X)       \
	X(processes)        \
	X(spaces)           \
	X(row_chunks)       \
	X(rules)            \
	X(usdt_sites)       \
	X(pythons)          \
	X(birth_types)      \
	X(collection_times) \
	X(span_places)      \
	X(span_codes)       \
	X(ring)             \
	X(losses)           \
	X(call_sites)       \
	X(call_site_hits)

#define PROBE_PROGRAMS(X)    \
	X(alloc_entry)       \
	X(alloc_return)      \
	X(alloc_ret_insn)    \
	X(alloc_session)     \
	X(usdt_block)        \
	X(birth_return)      \
	X(birth_session)     \
	X(call_site)         \
	X(collection_begins) \
	X(collection_ends)   \
	X(span_border)       \
	X(page_fault)        \
	X(mmap_enter)        \
	X(mmap_exit)         \
	X(munmap_enter)      \
	X(munmap_exit)       \
	X(mremap_enter)      \
	X(mremap_exit)       \
	X(brk_enter)         \
	X(brk_exit)          \
	X(mapping_enter)     \
	X(mapping_exit)      \
	X(process_fork)      \
	X(process_exec)      \
	X(process_exit)      \
	X(space_publish)

#define PROBE_OBJECT_FD(name) int name;
struct probe_object {
	struct {
		PROBE_MAPS(PROBE_OBJECT_FD)
	} maps;
	struct {
		PROBE_PROGRAMS(PROBE_OBJECT_FD)
	} programs;                    /* -1: not loaded, for this kernel has a better one */
	struct holdfast_bpf__bss *bss; /* the kernel side's variables, shared with it */
	uint32_t process_max;          /* in the table of processes */
};
#undef PROBE_OBJECT_FD

/* Nothing in it: probe_object_done() does nothing then. */
void probe_object_init(struct probe_object *object);
/* Takes what @skeleton has loaded; that is the caller's to destroy, at once if he likes. @ret: initialised, and done by the caller
 * also on failure. 0 or -errno. */
int probe_object_take(struct probe_object *ret, const struct holdfast_bpf *skeleton);
void probe_object_done(struct probe_object *object);

#endif
