/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at a process's heap in a recording: what a replay needs to come to the same verdict and the same report.
 * Blocks build on one another: both sides keep a book of what was told, a block says what is new. Only losses
 * that are confirmed are told. A look that is too large for one block takes several.
 *
 * struct hf_record_look, then (u: LEB128; text: u16 length and bytes):
 *	reason		text: why it is not complete
 *	sizes		u8 how many, then the first of heap_snapshot.live_by_size u
 *	losses		by address: what u8, address - the one before u; of a new one also size u, type, time of
 *			the look - time of the one that first missed it u (not if it is as the new one's before).
 *			what: 0 the end, 1 gone, 2 flags changed, 3 new; flags << 2
 *	answers		of a census, else 0: how many u, then of each site whose holder was asked for: its stack's hash u64,
 *			class u8, who holds its blocks text
 *	groups		of a census, to the block's end: type, size u, count u, bytes u, lost count u, lost bytes u,
 *			returned u, who holds it in words text, sample text
 *	type		u: number in the book; the next new one is followed by kind u8, name text
 */
#ifndef HOLDFAST_SESSION_LOOK_BLOCK_H
#define HOLDFAST_SESSION_LOOK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/heap.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "session/look.h"

struct session;

/* What the recording has told of one process's looks. Its owner reads last_ns only. */
struct look_book {
	uint64_t last_ns, era; /* of the newest look; 0: none */
	VEC(struct heap_lost) lost;
	VEC(struct heap_type) types; /* names are the book's */
	struct strmap numbers;       /* kind and name -> number in types + 1; the writer's */
};

void look_book_init(struct look_book *book);
void look_book_done(struct look_book *book);

/* Who holds the blocks of a site, in words. A site is known by its stack. */
struct look_answer {
	uint64_t stack_hash;
	uint8_t class;
	const char *held_by;
};

struct look_told {
	uint32_t process;        /* index */
	const struct look *look; /* how many there were, and what they cost */
	const struct heap_snapshot *snapshot;
	bool taken;                 /* it is in the evidence; else it only counts types */
	const char *const *held_by; /* who holds each of its groups, in words, those not to be told
				       NULL; NULL: it is no census */
	const struct look_answer *answers; /* of a census */
	size_t answer_count;
	bool show_content; /* text that was found in them, too */
};

typedef int (*look_block_put_fn)(void *user, const void *bytes, size_t size);

/* -ENOMEM, or what @put returned: then the book is not to be used again. */
int look_block_write(struct look_book *book, const struct look_told *told, look_block_put_fn put,
		     void *user);

/*
 * Hostile bytes: the look joins the evidence of its process, with the ledger as it is. -EILSEQ: malformed; -ENOMEM: also
 * if it is more than the session's memory bound allows.
 */
int look_block_take(struct session *session, const void *bytes, size_t size, uint64_t *ret_time_ns);

#endif
