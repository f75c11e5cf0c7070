/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The present pages of another process, one after the other through one small buffer that stays in the cache: a heap of
 * any size is looked at in bounded memory, and each byte is fetched once.
 *
 * Only what is present is read (bit 63 of /proc/PID/pagemap, admin-guide/mm/pagemap.rst in the kernel's documentation):
 * a page that was never touched holds nothing, and reading it would map it. Pages that are swapped out are counted, not
 * read: reading would bring them in, and the process would hold more than before. Memory that its owner has made
 * inaccessible for the moment is read like any other.
 *
 * Measured: README, "What it costs". One owner, one thread.
 */
#ifndef HOLDFAST_HEAP_MEMORY_STREAM_H
#define HOLDFAST_HEAP_MEMORY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES         4096ULL
#define PAGE_WORDS         (PAGE_BYTES / 8)
#define STREAM_BATCH_PAGES 16

struct memory_stream {
	int pid;
	bool opened;
	int pagemap_fd;
	int memory_fd;             /* /proc/PID/mem: also what is mapped without access; -1: none */
	uint64_t *buffer;          /* STREAM_BATCH_PAGES */
	uint64_t *entries;         /* of the pagemap */
	uint64_t until_ns;         /* CLOCK_MONOTONIC; 0: no limit */
	uint64_t bytes;            /* fetched */
	uint64_t present_bytes;    /* counted, fetched or not */
	uint64_t swapped_bytes;    /* left out */
	uint64_t unreadable_bytes; /* present, but the kernel refused */
};

/* -ESRCH, -EACCES, -ENOMEM. */
int memory_stream_open(int pid, struct memory_stream *ret);
void memory_stream_close(struct memory_stream *stream);

enum stream_choice {
	STREAM_PRESENT, /* all that is there */
	STREAM_ANONYMOUS, /* what the process wrote: not the pages that a file or shared memory still backs */
	STREAM_COUNT, /* nothing is fetched: only the counters move */
};

struct stream_range {
	uint64_t start, end; /* [start, end), on page bounds */
	enum stream_choice choice;
};

/*
 * @words: of @page_count neighbouring pages from @address on, in ascending order over the range; valid during the call.
 * Non-zero ends the stream with that value.
 */
typedef int (*memory_visit_fn)(void *user, uint64_t address, const uint64_t *words,
			       size_t page_count);

/* 0, what @visit returned, -ESRCH when the process is gone, -ETIME past until_ns. */
int memory_stream_range(struct memory_stream *stream, struct stream_range range,
			memory_visit_fn visit, void *user);

/*
 * The next run of present pages from *address on: moves *address to it and returns its length in pages, @max_pages at
 * most; 0: there is none before @end, or the process is gone.
 */
size_t memory_stream_run(struct memory_stream *stream, uint64_t *address, uint64_t end,
			 size_t max_pages);

struct memory_piece {
	uint64_t address;
	void *bytes;
	size_t size;
	bool ok; /* out: all of it was read */
};

/* Many small pieces in few calls; sets their ok. */
void memory_read_pieces(int pid, struct memory_piece *pieces, size_t count);
/* One piece. */
bool memory_read(int pid, uint64_t address, void *ret_bytes, size_t size);

#endif
