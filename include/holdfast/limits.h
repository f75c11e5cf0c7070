/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Limits that the kernel side and the user side must agree on. What exceeds one of them is a counted
 * loss or a labelled stack, never a silent cut.
 */
#ifndef HOLDFAST_LIMITS_H
#define HOLDFAST_LIMITS_H

#define HF_MAX_FRAMES 256 /* frames of one stack; deeper ones end as HF_STACK_TRUNCATED */
#define HF_MAX_PYTHON_FRAMES \
	128 /* of Python in one stack, beside those; more end it as truncated */
#define HF_MAX_PYTHON_RUNS    32 /* see holdfast/python.h */
#define HF_MAX_STACK_WORDS    (HF_MAX_FRAMES + 2 * HF_MAX_PYTHON_FRAMES)
#define HF_MAX_PYTHON_THREADS 512  /* of an interpreter, that are looked through for one */
#define HF_MAX_MAPPINGS       1024 /* executable mappings of one process that can be unwound */
#define HF_MAX_RULES          16384 /* distinct unwind rules over all tables; 12 large binaries need 1,539 */
#define HF_MAX_BIRTH_TYPES    256  /* that are asked for at the same time */
#define HF_MAX_PROCESSES      4096 /* traced processes, children included */
#define HF_FRESH_CODE         8    /* mappings of code remembered until they are published */
#define HF_MAX_PATH_BYTES     1024 /* path of a file with code, its parts' NULs included */
#define HF_MAX_CALLS          8    /* allocator calls nested in each other on one thread */
#define HF_MAX_USDT_SITES     256  /* distinct ways in which USDTs have their arguments */

#define HF_PASSING_SAMPLE 64 /* one of so many system calls is counted */

#define HF_MAX_CALL_SITES    8192 /* calls that are followed for good, of all processes */
#define HF_MAX_SITE_CALLS    4    /* of these under way in each other on one thread */
#define HF_SITE_INNER_FRAMES 3    /* wrappers between such a call and the allocator */

#define HF_STACK_SEEN_SLOTS (1u << 18) /* direct-mapped "already sent" table, 8 bytes a slot */
#define HF_STACK_SEEN_SMALL (1u << 14) /* the same where memory is short */
#define HF_PC_CACHE_SLOTS   (1u << 14) /* direct-mapped pc -> rule cache, 8 bytes a slot (128 KiB) */

#define HF_ROW_PAGE_SHIFT 16 /* unwind rows are indexed by 64 KiB pages of the module */
#define HF_ROWS_PER_BLOCK 16 /* rows (4 bytes each) in one 64-byte array element */

/* All modules' tables lie one behind the other in chunks of blocks, each a map of its own: 1 MiB. */
#define HF_ROW_CHUNK_SHIFT  14
#define HF_ROW_CHUNK_BLOCKS (1u << HF_ROW_CHUNK_SHIFT)
#define HF_ROW_CHUNKS       1024

#endif
