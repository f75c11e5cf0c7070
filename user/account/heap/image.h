/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One image of a process's heap: taken while it stands still, or while it runs. Used by the worker only (scan.c). */
#ifndef HOLDFAST_HEAP_IMAGE_H
#define HOLDFAST_HEAP_IMAGE_H

#include "account/heap/edges.h"
#include "account/heap/frames.h"
#include "account/heap/reach.h"
#include "account/heap/walker.h"

struct heap_image {
	struct heap_place place;
	struct memory_stream stream;
	const struct heap_walker *walker;
	void *walker_state;
	struct edge_store edges;
	struct stopped_process stopped; /* its words, after the process goes on again */
	struct stack_copies stacks; /* with a census only: they tell whose variable holds what */
	struct address_ranges
		dead; /* memory that holds no roots: unused stack, the allocator's books */
	struct address_ranges stack_ranges;
	_Atomic uint64_t *stop_began_ns; /* shared with the guard; 0: it is not stopped */
	uint64_t time_ns, stop_ns, retries, present_bytes;
	bool sound;     /* the walker's books hold */
	bool registers; /* are taken, by a stop of their own, also where it is not stopped else */
};

/* Finds the allocator. Errors: heap.h. */
int heap_image_open(const struct heap_scan_options *options, _Atomic uint64_t *stop_began_ns,
		    struct heap_image *ret);
void heap_image_close(struct heap_image *image);
/* Takes the image anew. @stop: with the process stopped. */
int heap_image_take(struct heap_image *image, bool stop);
/* Marks what the image's roots reach. */
int heap_image_reach(struct heap_image *image, struct reach_paths *paths);

/* Is it memory that may hold pointers, and which of its pages? False: leave it out. */
bool heap_image_wants(const struct mapping *mapping, enum stream_choice *ret_choice);

#endif
