// SPDX-License-Identifier: GPL-2.0-or-later
/* From accounts to the verdict's input, and the counts of a tick. */
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "session/session_internal.h"

/* What verdict_judge() borrows. */
struct input {
	struct verdict_process *processes;
	size_t count;
	VEC(void *) blocks; /* to be freed */
};

static void input_done(struct input *input)
{
	for (size_t i = 0; i < input->blocks.count; i++)
		free(input->blocks.items[i]);
	vec_done(&input->blocks);
}

static void *take(struct input *input, size_t count, size_t size)
{
	void *block = calloc(count ? count : 1, size);

	if (block && vec_push(&input->blocks, block)) {
		free(block);
		return NULL;
	}
	return block;
}

/* Times and minima of one site, in two arrays of one block. */
static int fill_series(struct input *input, const struct series *series, site_id site,
		       struct verdict_series *ret)
{
	struct series_point points[SERIES_MAX_POINTS];
	size_t count = series_read(series, site, points);
	uint64_t *block;

	if (!count)
		return 0;
	block = take(input, count * 2, sizeof(*block));
	if (!block)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		block[i] = points[i].time_ns;
		block[count + i] = points[i].min_bytes;
	}
	*ret = (struct verdict_series){block, block + count, count};
	return 0;
}

static const struct gauge *gauge_of(const struct session *session, int pid)
{
	for (size_t i = session->members.count; i--;) {
		if (session->members.items[i]->target->key.pid == pid)
			return session->members.items[i]->gauge;
	}
	return NULL;
}

static int fill_process(struct input *input, const struct account *account,
			const struct session *session, struct verdict_process *ret)
{
	size_t count = ledger_site_count(account->ledger);
	struct verdict_site *sites = take(input, count, sizeof(*sites));
	int err = sites ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++) {
		sites[i].site = ledger_site(account->ledger, i + 1);
		err = fill_series(input, account->series, i + 1, &sites[i].series);
	}
	*ret = (struct verdict_process){
		.pid = account->pid,
		.start_ns = account->started_ns,
		.sites = sites,
		.site_count = count,
		.gauge = gauge_of(session, account->pid),
	};
	return err;
}

int judge_all(const struct accounts *accounts, const struct session *session, uint64_t now_ns,
	      struct verdict **ret)
{
	_cleanup_(input_done) struct input input = {0};
	int err = 0;

	input.count = accounts_count(accounts);
	input.processes = take(&input, input.count, sizeof(*input.processes));
	if (!input.processes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < input.count; i++)
		err = fill_process(&input, accounts_at(accounts, i), session, &input.processes[i]);
	return err ? err : verdict_judge(input.processes, input.count, now_ns, ret);
}

void judge(struct accounts *accounts, void *user)
{
	struct judge_request *request = user;
	struct accounts_counts counts;
	struct ledger_counts ledger;
	int err;

	accounts_sample(accounts, request->now_ns);
	accounts_get_counts(accounts, &counts);
	request->events = counts.events;
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		ledger_counts(accounts_at(accounts, i)->ledger, &ledger);
		request->allocs += ledger.allocs;
		request->frees += ledger.frees + ledger.unmatched_frees;
		request->live_bytes += ledger.live_bytes;
		request->live_count += ledger.live_count;
		request->unmatched_frees += ledger.unmatched_frees;
	}
	err = judge_all(accounts, request->session, request->now_ns, &request->verdict);
	if (err)
		log_debug_err(err, "no verdict this time");
}
