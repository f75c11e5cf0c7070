/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger's inside, shared by ledger.c (blocks), mapping.c (ranges) and verify.c. */
#ifndef HOLDFAST_LEDGER_INTERNAL_H
#define HOLDFAST_LEDGER_INTERNAL_H

#include "account/ledger/block_table.h"
#include "account/ledger/labels.h"
#include "account/ledger/ledger.h"
#include "account/ledger/memory_bound.h"
#include "account/ledger/range_set.h"
#include "account/ledger/sampling.h"
#include "account/ledger/site_table.h"
#include "account/ledger/thread_table.h"

struct ledger {
	struct memory_bound memory;
	struct block_table blocks;
	struct site_table sites;
	struct range_set ranges;
	struct thread_table threads;
	struct sampling sampling;
	struct label_table labels;
	struct ledger_counts
		counts; /* memory and what the parts count are filled in when asked for */
};

/* x86-64 with five-level page tables; what is beyond no kernel hands out. */
#define LEDGER_ADDRESS_END (UINT64_C(1) << 56)
/* No sum of outstanding bytes may come near 2^64, whatever sizes a target invents. */
#define LEDGER_MAX_LIVE_BYTES (UINT64_C(1) << 62)

#define LEDGER_FAMILY_SHIFT 59 /* 17 families above any address */

/* Heap and new: 0; a custom pair: 1 and up. */
static inline uint8_t ledger_family(uint8_t class)
{
	return class < SITE_CUSTOM ? 0 : (uint8_t)(class - SITE_CUSTOM + 1);
}

static inline void ledger_live_add(struct ledger *ledger, uint64_t bytes, uint32_t pieces)
{
	ledger->counts.live_bytes += bytes;
	ledger->counts.live_count += pieces;
	if (ledger->counts.peak_bytes < ledger->counts.live_bytes)
		ledger->counts.peak_bytes = ledger->counts.live_bytes;
}

#endif
