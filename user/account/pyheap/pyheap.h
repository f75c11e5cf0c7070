/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at the objects of a CPython process from outside: how many of each type, how much they take, what holds them, and which of
 * them nothing holds.
 *
 *	pyheap_start(&options, &worker)		a process of ours goes to work (heap/worker.h)
 *	pyheap_finish(worker, &snapshot)	waits if it must
 *
 * The worker stops the target for as long as it takes to copy what it has written to, lets it go on, and walks the copy: the lists
 * of the garbage collector (all objects that can be in circles), the pools of the object allocator (all others of up to 512 bytes),
 * and from the roots whatever is referred to. Roots are sys.modules, the frames of all threads, the interpreter's own state, and any
 * word of memory that is no object's: what is called unreachable is held by none of these.
 *
 * With no_stop nothing is stopped: what changes meanwhile makes the counts estimates, and nothing is called unreachable.
 */
#ifndef HOLDFAST_PYHEAP_PYHEAP_H
#define HOLDFAST_PYHEAP_PYHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/worker.h"
#include "base/cleanup.h"
#include "process/python/collector.h"

struct pyheap_options {
	int pid;
	const struct python_runtime *runtime; /* with a layout */
	bool no_stop;
	bool holders;          /* what holds the objects of each type */
	uint64_t max_stop_ns;  /* a process that would take longer is looked at without a stop */
	uint64_t memory_bytes; /* our own bound */
};

#define PYHEAP_WAYS 4

/* From a root to objects of a type. */
struct pyheap_way {
	const char *path; /* "__main__.REGISTRY.by_id[*]"; "" if not known */
	double share;     /* of the objects looked at, that are held so */
	uint64_t buffer; /* the block of malloc in which what holds them has grown (spot.h); 0: not known */
};

/* Objects of one type: an instance of a subclass is one of that only. */
struct pyheap_type {
	uint64_t address;      /* of the type object */
	const char *name;      /* "module.Class"; of the built-in ones without "builtins." */
	uint64_t count, bytes; /* as sys.getsizeof() tells, with the collector's head */
	uint64_t pool_bytes; /* blocks of pools that they and their buffers lie in; the rest is malloc's */
	uint64_t tracked; /* by the garbage collector: as gc.get_objects() lists them */
	uint64_t unreachable_count, unreachable_bytes;
	/* Of these: a reference to them was taken and never given back, to themselves or to what holds them. The others hold each
	 * other in circles, and go with the next collection. */
	uint64_t overcounted_count, overcounted_bytes;
	uint64_t overcounted_itself; /* of these: to the objects themselves */
	/* What holds them: the commonest ways first; those that are not known have share 0. */
	struct pyheap_way ways[PYHEAP_WAYS];
	/* Of objects that belong to a line (spot.h): the commonest; "" and 0 if there is none. */
	const char *function, *file;
	uint32_t line;
	double line_share; /* of the objects looked at, that belong there */
};

/* The pools of pymalloc, in which objects and buffers of up to 512 bytes lie. */
struct pyheap_pools {
	uint64_t arenas,
		pools; /* with at least one block in use; an arena is 1 MiB, a pool 16 KiB */
	uint64_t used_blocks, used_bytes,
		free_bytes;     /* in these pools, as sys._debugmallocstats() counts */
	uint64_t object_blocks; /* of the blocks in use: objects, the rest are buffers */
	uint64_t damaged;       /* pools that contradict themselves: left out */
};

struct pyheap_snapshot {
	int pid;
	bool stopped;
	bool complete; /* the lists were whole, and all memory was read: only then may anything be called unreachable */
	const char *reason; /* why not; "" if it is */
	uint64_t time_ns;   /* when the target stood still */
	uint64_t stop_ns, work_ns, copied_bytes, memory_peak_bytes;
	struct python_collector collector;
	uint64_t interpreters, threads;
	uint64_t tracked, objects, bytes; /* all objects */
	uint64_t garbage;                 /* in gc.garbage: uncollectable, and kept there */
	uint64_t unreachable_count, unreachable_bytes, overcounted_count, overcounted_bytes;
	struct pyheap_pools pools;
	const struct pyheap_type *types; /* most bytes first */
	size_t type_count;
	uint64_t types_left_out; /* of the least bytes: more than fit */
};

/* 0, -ENOMEM, -EAGAIN (no process can be made). */
int pyheap_start(const struct pyheap_options *options, struct heap_worker **ret);
/*
 * Frees the worker in any case. 0, or why there is no snapshot: -ESRCH it ended, or its interpreter did; -EPERM not ours to trace, or
 * traced already; -EAGAIN whenever it was looked at, its garbage collector was at work; -ETIMEDOUT a thread can't be stopped;
 * -EUCLEAN its lists of objects contradict themselves; -ECANCELED the worker was killed; -ENOSPC it does not fit in the memory bound;
 * -ENOMEM.
 */
int pyheap_finish(struct heap_worker *worker, struct pyheap_snapshot **ret);

void pyheap_snapshot_free(struct pyheap_snapshot *snapshot);
DEFINE_CLEANUP(struct pyheap_snapshot *, pyheap_snapshot_free);

#endif
