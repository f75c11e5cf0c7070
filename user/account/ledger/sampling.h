/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Estimates where only some of the time was traced: windows, and what was seen in them.
 *
 * A window stands for the time from the end of the one before it to its own end. What was counted in it is weighted by
 * that time over the time that was seen (Horvitz and Thompson 1952, for windows at random times). The variance of a
 * sum is that between the windows (each is one draw: cluster sampling, Cochran 1977, 9A.3), and no less than that of
 * the counts themselves (Poisson).
 *
 * Calls that are followed at their site have the weight 1, whatever the windows. Before the first window ends
 * all is taken to be seen. Internal to the ledger, but for struct ledger_window and struct ledger_estimate (ledger.h).
 */
#ifndef HOLDFAST_LEDGER_SAMPLING_H
#define HOLDFAST_LEDGER_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "account/ledger/ledger.h"
#include "account/ledger/memory_bound.h"

struct sampling_window {
	uint64_t until_ns, known_ns;
	float weight, live_weight;
};

struct sampling {
	struct sampling_window *windows; /* that ended, oldest first */
	size_t count, capacity;
	double error; /* of all weights, as told last */
	double lived_ns, stood_for_ns;
	uint64_t last_ns; /* what the newest stands for */
	struct memory_bound *memory;
};

void sampling_init(struct sampling *sampling, struct memory_bound *memory);
void sampling_done(struct sampling *sampling);
/* @to is empty, and not bounded further. -ENOMEM. */
int sampling_copy(const struct sampling *from, struct sampling *to);
/* One that saw nothing at all: the one before it stands for its time too. -EINVAL: not after the last one, or the first;
 * -ENOSPC, -ENOMEM: what is counted goes on to the next. */
int sampling_end_window(struct sampling *sampling, const struct ledger_window *window);

/* Counts one allocation of the window that is open now. */
void sample_add(struct sample_sums *sums, const struct sampling *sampling, uint64_t bytes);
void sample_read(const struct sample_sums *sums, const struct sampling *sampling,
		 struct ledger_estimate *ret);
/* Of a block that was handed out then and is there still. */
double sampling_live_weight(const struct sampling *sampling, uint64_t born_ns);

#endif
