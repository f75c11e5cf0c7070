/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/build_threads.h"

#include <math.h>
#include <stdlib.h>

#include "session/session_internal.h"

static int by_site(const void *a, const void *b)
{
	const struct thread_part *x = a, *y = b;

	return x->site < y->site ? -1 : x->site > y->site;
}

int thread_parts_list(const struct ledger *ledger, struct thread_part_vec *ret)
{
	size_t first = ret->count;
	int err = 0;

	for (size_t i = 0; !err && i < ledger_label_row_count(ledger); i++) {
		const uint32_t *labels;
		uint32_t count;
		const struct ledger_label_row *row = ledger_label_row(ledger, i, &labels, &count);

		if (row->origin && row->outstanding_bytes)
			err = vec_push(ret,
				       ((struct thread_part){row->site,
							     {row->origin, row->outstanding_bytes,
							      row->outstanding_count}}));
	}
	if (!err && ret->count > first)
		qsort(ret->items + first, ret->count - first, sizeof(*ret->items), by_site);
	return err;
}

int thread_parts_take(const struct thread_part_vec *parts, site_id site, double factor, size_t *at,
		      struct site_part_vec *ret)
{
	int err = 0;

	for (; !err && *at < parts->count && parts->items[*at].site == site; ++*at) {
		struct report_site_part part = parts->items[*at].part;

		part.outstanding_bytes = (uint64_t)llround((double)part.outstanding_bytes * factor);
		part.outstanding_count = (uint64_t)llround((double)part.outstanding_count * factor);
		err = vec_push(ret, part);
	}
	return err;
}

int thread_parts_add_notes(const struct session *session, struct report_builder *builder)
{
	struct accounts_counts counts;

	if (!component_rules_by_thread(&session->options.components))
		return 0;
	if (session->replayed)
		return report_builder_add_note(
			builder,
			"a recording has no names of threads: components by thread hold nothing");
	accounts_get_counts(session->accounts, &counts);
	return counts.threads_unnamed
		       ? report_builder_add_note(
				 builder,
				 "%lu allocations were made by threads whose names could not be "
				 "read in time: they fit no component by thread",
				 (unsigned long)counts.threads_unnamed)
		       : 0;
}
