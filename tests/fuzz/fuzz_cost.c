/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cache of costs as anyone may have written it. What is taken can be written and read again, and adds up to
 * something. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "capture/budget/cost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct cost_hits hits = {.calls = 1, .entries = 1, .runs = 2, .program_ns = 1000};
	struct probe_costs costs, back;
	double ns;

	if (cost_parse((const char *)data, size, 7, &costs))
		return 0;
	ns = cost_of_hits(&costs, &hits, cost_of_call(&costs, COST_STEPPED, true),
			  cost_of_entry(&costs, COST_NOP5));
	if (!isfinite(ns) || ns < 0)
		abort();
	if (cost_add_text(&text, &costs, 7) || cost_parse(text.buf, text.len, 7, &back))
		abort();
	return 0;
}
