/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at a heap from outside: which blocks are live, of what type, and which of them nothing refers to any more.
 *
 *	heap_scan_start(&options, &worker)	a process of ours goes to work (worker.h)
 *	heap_scan_finish(worker, &snapshot)	waits if it must
 *
 * The worker stops the target for as long as it takes to pass its memory
 * once through a small buffer (memory_stream.h), keeps what points into the heap (edges.h), lets it go on, and only then
 * thinks.
 *
 * Never a word too much: a block is `lost` in one snapshot if nothing refers to it; it is confirmed if that was so in an
 * earlier one too, HEAP_CONFIRM_NS before or more, if its content is the same as then, and if no word at any byte
 * offset, whatever its upper 16 bits, points to it either, nor one that the kernel keeps (epoll, timers). Pointers kept
 * xor-ed, compressed, in io_uring or in other processes are not seen: see heap_snapshot.returned. With no_stop the
 * registers are not seen either, so nothing is confirmed.
 *
 * Cost for the target: README, "What it costs". Main thread, or any other that may fork.
 */
#ifndef HOLDFAST_HEAP_HEAP_H
#define HOLDFAST_HEAP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/worker.h"
#include "base/cleanup.h"

/* A block that is known to be live: from the ledger. */
struct heap_known {
	uint64_t address, size_bytes;
};

#define HEAP_SIZE_SLOTS 48
#define HEAP_CONFIRM_NS 800000000ULL

struct heap_snapshot;

/* Who holds these blocks? So many addresses count at most. */
#define HEAP_QUESTION_MAX 32

struct heap_question {
	uint64_t addresses[HEAP_QUESTION_MAX];
	size_t count;
};

struct heap_scan_options {
	int pid;
	bool no_stop; /* never stop it: rounds, which prove less */
	bool census;  /* types of all blocks and who holds them; else of lost ones only */
	uint64_t confirm_ns; /* between a look that misses a block and one that confirms it; 0: HEAP_CONFIRM_NS */
	uint64_t max_stop_ns;  /* a heap that would take longer is looked at without a stop */
	uint64_t memory_bytes; /* our own bound */
	uint64_t rate_bytes_per_second; /* measured by an earlier scan; 0: not known */
	const struct heap_snapshot
		*before; /* an earlier one of this process, to confirm; NULL: none */
	/* Serve as the live set where the allocator is none that is understood. Ascending. */
	const struct heap_known *known;
	size_t known_count;
	/* Mappings that the program made itself: lost if nothing points into them. Ascending. */
	const struct heap_known *mappings;
	size_t mapping_count;
	/* Answered with a census only. */
	const struct heap_question *questions;
	size_t question_count;
	/* Is a live block of (at least) that size there? Answered where a walker lists the blocks. */
	const struct heap_known *watched;
	size_t watched_count;
};

/* 0, -ENOMEM, -EAGAIN (no process can be made). */
int heap_scan_start(const struct heap_scan_options *options, struct heap_worker **ret);
/*
 * Frees the scan in any case. 0, or why there is no snapshot: -ESRCH it ended; -EPERM not ours to trace, or traced
 * already; -ENOENT no allocator that is understood, and no known blocks; -EAGAIN it never stood still; -ETIMEDOUT a
 * thread can't be stopped; -ECANCELED the worker was killed; -ENOSPC more pointers than the memory bound allows; -ENOMEM.
 */
int heap_scan_finish(struct heap_worker *scan, struct heap_snapshot **ret);

enum heap_kind {             /* what a block's content looks like */
		 HEAP_CLASS, /* a C++ object: its first word is a vtable with type information */
		 HEAP_TEXT,
		 HEAP_POINTERS, /* at least one word points into the heap */
		 HEAP_ZERO,
		 HEAP_DATA,
};

struct heap_type {
	enum heap_kind kind;
	const char *name; /* mangled, of HEAP_CLASS; "" else */
};

enum heap_root_kind {
	HEAP_ROOT_NONE,     /* it is lost, or held in circles only */
	HEAP_ROOT_REGISTER, /* of a thread */
	HEAP_ROOT_STACK,
	HEAP_ROOT_STORAGE, /* thread-local */
	HEAP_ROOT_GLOBAL,  /* of a module */
	HEAP_ROOT_MEMORY,  /* another mapping */
};

/* What keeps a group of blocks, by shortest ways back from samples of it. */
struct heap_holder {
	enum heap_root_kind root;
	uint64_t address;     /* of the root word */
	uint64_t module_base; /* HEAP_ROOT_GLOBAL: where the module's first byte is mapped */
	const char *path;     /* of the module or mapping; "" else */
	int tid;              /* of stack and storage */
	uint64_t return_pc; /* HEAP_ROOT_STACK: in the variable's function, as a return address; 0: not known */
	bool container; /* there is a block that most ways lead through: */
	uint32_t container_type;
	uint64_t container_bytes;
	double share;  /* of the samples for which that holds */
	uint64_t hops; /* blocks between root and group, median */
};

/* Live blocks of one type and size. */
struct heap_group {
	uint32_t type;
	uint64_t size_bytes;                           /* usable, of each */
	uint64_t count, bytes, lost_count, lost_bytes; /* lost: confirmed */
	uint64_t returned; /* blocks once confirmed as lost that were freed or written since */
	struct heap_holder holder;
	const char *sample; /* text found in one of them; "" if none */
};

struct heap_lost {
	uint64_t address, size_bytes; /* usable */
	uint64_t first_ns;            /* CLOCK_MONOTONIC of the snapshot that first missed it */
	uint64_t checksum;            /* of its content */
	uint32_t type;
	uint32_t group; /* index into groups */
	uint16_t looks; /* snapshots that missed it, in a row */
	bool indirect;  /* only lost blocks refer to it */
	bool confirmed;
	/*
	 * Confirmed before, and referred to again: by chance, as when a new block lies where an old pointer was left, or
	 * because it is in use after all. It counts as lost again once it is missed again.
	 */
	bool held;
	bool unchanged; /* content as at the look before */
	bool mapping;   /* one of heap_scan_options.mappings */
};

enum heap_live_set { HEAP_GLIBC, HEAP_JEMALLOC, HEAP_MUSL, HEAP_TRACED_ONLY };

struct heap_snapshot {
	int pid;
	enum heap_live_set live_set;
	bool stopped; /* false: rounds without a stop */
	bool complete; /* every segment could be walked, all memory be read: only then may anything be called lost */
	const char *reason; /* why not; "" if it is */
	uint64_t time_ns;   /* when the target stood still */
	uint64_t before_ns; /* when it did for the snapshot that this one was compared with; 0: none */
	/* What was missed by then is confirmed or refuted in here; 0: nothing is. */
	uint64_t known_until_ns;
	uint64_t found_at; /* where the allocator's books are, for the next look: heap_place.found_at */
	uint64_t stop_ns, total_ns;
	uint64_t work_ns; /* CPU time of ours, of that */
	uint64_t copied_bytes, swapped_bytes, unreadable_bytes;
	uint64_t memory_peak_bytes; /* ours */
	uint64_t heap_bytes;        /* all segments */
	uint64_t live_count, live_bytes, free_count, free_bytes;
	uint64_t live_by_size[HEAP_SIZE_SLOTS]; /* bytes of blocks of 2^i and more, up to 2^(i+1) */
	/* Free pieces likewise, but for those at the ends of glibc's heaps, which can be given back (malloc_trim()). */
	uint64_t free_by_size[HEAP_SIZE_SLOTS], free_count_by_size[HEAP_SIZE_SLOTS];
	uint64_t free_end_bytes;
	uint64_t threads, segments, segments_dropped, edges, retries;
	uint64_t lost_count, lost_bytes; /* confirmed */
	uint64_t returned; /* of those confirmed before, freed since: pointers to them are hidden */
	uint64_t lost_left_out; /* more than fit */
	const struct heap_type *types;
	size_t type_count;
	const struct heap_group *groups; /* most bytes first */
	size_t group_count;
	const struct heap_holder *answers; /* as the questions */
	size_t answer_count;
	const struct heap_lost *lost; /* ascending; confirmed and suspected ones */
	size_t lost_total;
	const uint8_t *watched; /* as asked: 1: there is; 0: not; NULL: not known */
	size_t watched_count;
};

/* Frees it and all it points to. */
void heap_snapshot_free(struct heap_snapshot *snapshot);
DEFINE_CLEANUP(struct heap_snapshot *, heap_snapshot_free);

/* What @snapshot (NULL: none) says of a block at @address that it misses, confirmed or not; NULL: it does not. */
const struct heap_lost *heap_snapshot_find_lost(const struct heap_snapshot *snapshot,
						uint64_t address);

/* "pointers"; of a class "object", its name is to be demangled by whoever shows it. */
const char *heap_kind_name(enum heap_kind kind);
const char *heap_live_set_name(enum heap_live_set set);

#endif
