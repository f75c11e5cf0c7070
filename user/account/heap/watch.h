/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are blocks still there whose release nobody would see? Where an allocator is traced only now and then, sampled blocks
 * are looked at from outside, without a stop: the first 64 bytes of each, again and again.
 *
 *	watch_add(watch, blocks)	as soon as they are known: what they hold is noted
 *	watch_poll(watch, gone)		what became of them
 *	watch_doubts(watch, blocks)	those of which more than a quarter, or both of the first two words, changed between two
 *					polls: they may be other blocks at the same place, and prove nothing
 *
 * A block is gone when its memory is, or when two polls in a row find most of it to be other than before: its address
 * was handed out again. One that changes once, or a little at a time, is taken to be in use. What is freed and
 * not handed out again may keep its content (jemalloc), so whoever has a walker asks that too (heap_scan_options.watched).
 *
 * Cost: 0.2 us a block and poll, 104 bytes each. One owner, one thread.
 */
#ifndef HOLDFAST_HEAP_WATCH_H
#define HOLDFAST_HEAP_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/vec.h"

#define WATCH_WORDS 8

struct watched_block {
	uint64_t address, born_ns, size_bytes;
	uint8_t class; /* enum site_class, for the caller; so is: */
	bool followed;
};

VEC_STRUCT(watched_blocks, struct watched_block);

struct watch;

int watch_new(int pid, size_t max_blocks, struct watch **ret);
void watch_free(struct watch *watch);
DEFINE_CLEANUP(struct watch *, watch_free);

/* Those that can't be read any more are told to be gone. -ENOSPC: it is full, the rest of @blocks is in @ret_gone; -ENOMEM. */
int watch_add(struct watch *watch, const struct watched_block *blocks, size_t count,
	      struct watched_blocks *ret_gone);
/* Appends to @ret_gone what is gone, which is watched no more. 0 or -ENOMEM. */
int watch_poll(struct watch *watch, struct watched_blocks *ret_gone);
/* Appends all blocks, by ascending address. */
int watch_list(struct watch *watch, struct watched_blocks *ret);
/* Keeps those for which @keeps[i] is not 0, in the order of the last watch_list(); nothing was added since. */
void watch_keep(struct watch *watch, const uint8_t *keeps);
/* By ascending address. 0 or -ENOMEM. */
int watch_doubts(struct watch *watch, struct watched_blocks *ret);

#endif
