/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process holds of what was allocated since we attached; verdict_estimate() and verdict_held() are there too. */
#ifndef HOLDFAST_VERDICT_HELD_H
#define HOLDFAST_VERDICT_HELD_H

#include "verdict/verdict.h"

/* @estimates: of verdict_estimate(). @ledger NULL: nothing. */
struct verdict_held held_by_sites(const struct ledger *ledger,
				  const struct ledger_estimate *estimates);

#endif
