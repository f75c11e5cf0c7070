/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the accounts to the report: which part of a site was allocated by threads that rules by thread fit. Internal to session/. */
#ifndef HOLDFAST_SESSION_BUILD_THREADS_H
#define HOLDFAST_SESSION_BUILD_THREADS_H

#include "account/ledger/ledger.h"
#include "base/vec.h"
#include "report/builder.h"

struct session;

struct thread_part {
	site_id site;
	struct report_site_part part; /* as seen */
};

VEC_STRUCT(thread_part_vec, struct thread_part);
VEC_STRUCT(site_part_vec, struct report_site_part);

static inline void thread_parts_done(struct thread_part_vec *parts)
{
	vec_done(parts);
}

/* Of all sites of a ledger, in their order; added to @ret. */
int thread_parts_list(const struct ledger *ledger, struct thread_part_vec *ret);
/* Those of @site, which begin at *at (moved on), are added to @ret; @factor: what was seen stands for so many times as much. */
int thread_parts_take(const struct thread_part_vec *parts, site_id site, double factor, size_t *at,
		      struct site_part_vec *ret);
/* What is not known of threads. */
int thread_parts_add_notes(const struct session *session, struct report_builder *builder);

#endif
