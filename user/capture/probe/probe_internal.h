/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#ifndef HOLDFAST_PROBE_INTERNAL_H
#define HOLDFAST_PROBE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <holdfast/space.h>

#include "base/hashmap.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "capture/probe/object.h"
#include "capture/probe/probe.h"
#include "process/elf/unwind_table.h"

struct holdfast_bpf;

VEC_STRUCT(fd_vec, int);

/* One process that the kernel side knows. */
struct probed_process {
	int pid;
	uint32_t pair;  /* its two slots in the table of spaces: 2 * pair, 2 * pair + 1 */
	uint64_t space; /* what the kernel side goes by */
	uint32_t flags;
	uint32_t published;            /* count of code changes up to which the space holds */
	bool code_added, code_removed; /* since it was published */
	/* Of its allocator probes: those that tell what is handed out, and the others. */
	struct fd_vec call_links, entry_links;
	struct fd_vec span_links;
	struct fd_vec collection_links; /* where its interpreter tells of collections */
};

/* A module whose unwind table the kernel side has: where, in blocks. */
struct table_slot {
	bool loaded;
	uint32_t first_block, page_count;
};

/* Call sites that were added together. */
struct site_group {
	uint32_t id;
	int pid;
	struct fd_vec links;
	VEC(uint32_t) indexes;
};

struct probe {
	struct probe_options options;
	struct probe_object object;
	enum probe_way way;
	struct unwind_rules *rules;
	size_t rules_loaded;
	VEC(struct table_slot) tables; /* by module id */
	uint32_t blocks_used, chunks_made, pairs_made;
	struct fd_vec kept_chunks,
		kept_spaces; /* inner maps, by key; empty where they can be opened by id */
	VEC(struct probed_process) processes;
	uint64_t pairs_used[HF_MAX_PROCESSES / 64];
	uint32_t space_serial;
	struct fd_vec tracepoints;
	struct fd_vec extra[PROBE_EXTRAS]; /* those that can be done without */
	bool traces_syscalls; /* mappings are watched by tracepoints, at every system call */
	struct strbuf missing;
	uint64_t seed;
	int cpu_count;
	/* Call sites: by index in the kernel's table. */
	VEC(struct site_group) site_groups;
	uint64_t sites_used[HF_MAX_CALL_SITES / 64];
	uint64_t *site_hits; /* the table of counts, mapped */
	uint32_t site_next, group_serial;
	VEC(struct hf_span_place) span_places; /* the same */
	VEC(struct hf_usdt_site) usdt_sites;   /* as the kernel side has them */
	int counting_fd; /* runs of programs are counted while it is open; -1: they are not */
	double bare_syscall_ns; /* a system call's, before our tracepoints came */
	int seccomp_checked;    /* 0: not yet, 1: fine, or what probe_selftest_seccomp() answers */
};

/* probe.c: what libbpf says goes to our log. */
void probe_log_libbpf(void);
struct probed_process *probe_find_process(struct probe *probe, int pid);

/* tables.c: unwind tables of the target's modules and its space into the kernel. */
void tables_done(struct probe *probe);
int tables_load(struct probe *probe, const struct target *target);
/* Room for what may come next, so that it need not be waited for then. */
int tables_prepare(struct probe *probe);
int space_reserve(struct probe *probe, uint32_t *ret_pair);
/* Fills the slot that is not in use; @ret_space is its id. */
int space_load(struct probe *probe, const struct target *target,
	       const struct probed_process *process, uint64_t *ret_space);
void space_release(struct probe *probe, const struct probed_process *process);

/* sites.c: takes the call sites of a process out, or all (pid 0). */
void sites_forget(struct probe *probe, int pid);

/* links.c: BPF links. A descriptor or -errno. */
struct probe_list {
	int path_fd; /* of the binary */
	int pid;
	VEC(uint64_t) offsets; /* in the file */
	VEC(uint64_t) cookies;
	VEC(uint64_t) semaphores; /* of USDTs only: offsets in the file; 0: none */
};

void probe_list_done(struct probe_list *list);
bool links_have_multi(void);
enum link_kind {
	LINK_ENTRY,     /* the program at the place */
	LINK_CALL,      /* entry and return of the function */
	LINK_RET_INSN,  /* at the function's ret instructions */
	LINK_CALL_SITE, /* at calls, and behind them */
	LINK_BIRTH,     /* return of a function that makes objects */
	LINK_KINDS,
};
/* Appends the links made to @ret_links, also on failure. */
int links_attach(struct probe *probe, enum link_kind kind, const struct probe_list *list,
		 struct fd_vec *ret_links);
/* The same, not shielded: for a caller that is. */
int links_attach_bare(struct probe *probe, enum link_kind kind, const struct probe_list *list,
		      struct fd_vec *ret_links);
/* The same for a program of the caller's, by the probe's way; perf events know no sessions. */
enum link_hook { HOOK_ENTRY, HOOK_RETURN, HOOK_SESSION };
int links_attach_program(struct probe *probe, int program, enum link_hook hook,
			 const struct probe_list *list, struct fd_vec *ret_links);
int links_attach_tracepoints(struct probe *probe);
/* Which programs are to be loaded: for @tracepoints at every system call, or at the kernel's functions. */
void links_choose_mappings(struct holdfast_bpf *skeleton, bool tracepoints);
/* May programs be put at the kernel's functions that map memory? Tried with one that does nothing. */
bool links_have_fentry(void);
/* plan.c: the probes of one module, by kind of link. */
struct probe_plan {
	const struct module *module;
	struct probe_list lists[LINK_KINDS];
};

void probe_plan_done(struct probe_plan *plan);
/* Of the functions from set->functions[first] on that are in its module. */
int probe_plan_make(struct probe_plan *plan, const struct allocator_set *set, size_t first,
		    struct probe_attached *attached);
/* Is the module of the function at @index that of one in [first, index)? */
bool probe_plan_has(const struct allocator_set *set, size_t first, size_t index);

/* usdt.c: the places among the functions from set->first_new on at which the program itself tells of blocks. */
int usdts_attach(struct probe *probe, const struct allocator_set *set,
		 struct probed_process *process, struct probe_attached *attached);

/* Where a place that a program declares, and its semaphore (0: none), are in the file; by their addresses as linked. */
struct usdt_offsets {
	uint64_t place, semaphore;
};

int usdt_offsets(const struct elf_file *elf, uint64_t address, uint64_t semaphore,
		 struct usdt_offsets *ret);
int probe_list_add_usdt(struct probe_list *list, const struct usdt_offsets *offsets,
			uint64_t cookie);

/* Closes all at once, each in a process of its own: a close waits 35-80 ms for the kernel. */
void links_close(struct fd_vec *links);

#endif
