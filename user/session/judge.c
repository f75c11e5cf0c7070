// SPDX-License-Identifier: GPL-2.0-or-later
/* From accounts to the verdict's input, and the counts of a tick. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "session/session_internal.h"

/* What new looks at heaps have proved. */
static void join_looks(const struct accounts *accounts, const struct session *session)
{
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);
		struct member *member = members_newest(session, account->pid);
		int err = member && !account->execed ? look_join(&member->look, account->ledger)
						     : 0;

		if (err)
			log_debug_err(err, "a look at the heap of pid %d is lost", account->pid);
	}
}

static const struct lost_evidence *evidence_of(const struct member *member,
					       const struct account *account)
{
	return member && !account->execed && member->look.evidence.looks ? &member->look.evidence
									 : NULL;
}

static int sample(const struct account *account, const struct lost_evidence *lost, uint64_t time_ns)
{
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	int err = verdict_estimate(account->ledger, lost, &estimates);

	return err ? err : series_sample(account->series, account->ledger, estimates, time_ns);
}

void judge_sample(const struct accounts *accounts, const struct session *session, uint64_t time_ns)
{
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);
		const struct member *member = members_newest(session, account->pid);
		int err = account->ended_ns
				  ? 0
				  : sample(account, evidence_of(member, account), time_ns);

		if (err)
			log_debug_err(err, "series of process %d", account->pid);
	}
}

struct placed_request {
	const struct births *births;
	int pid;
};

static bool is_placed(void *user, uint64_t type)
{
	const struct placed_request *request = user;
	struct births_blame blame;

	return births_blame(request->births, request->pid, type, &blame);
}

static const struct object_evidence *objects_of(const struct session *session,
						struct member *member,
						const struct account *account,
						struct object_evidence *ret)
{
	struct placed_request request = {session->births, account->pid};
	bool known =
		member && !account->execed &&
		pylook_evidence(&member->pylook, session->births ? is_placed : NULL, &request, ret);

	return known ? ret : NULL;
}

static int judge_all(const struct accounts *accounts, const struct session *session,
		     uint64_t now_ns, struct verdict **ret)
{
	size_t count = accounts_count(accounts);
	_cleanup_free_ struct verdict_process *processes =
		calloc(count ? count : 1, sizeof(*processes));
	_cleanup_free_ struct object_evidence *objects =
		calloc(count ? count : 1, sizeof(*objects));

	if (!processes || !objects)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct account *account = accounts_at(accounts, i);
		struct member *member = members_newest(session, account->pid);

		processes[i] = (struct verdict_process){
			.pid = account->pid,
			.start_ns = account->started_ns,
			.ledger = account->execed ? NULL : account->ledger,
			.series = account->execed ? NULL : account->series,
			.gauge = member ? member->gauge : NULL,
			.lost = evidence_of(member, account),
			.objects = objects_of(session, member, account, &objects[i]),
			.ended = member && member->ended,
		};
	}
	return verdict_judge(processes, count, now_ns, ret);
}

static void add_held(struct judge_request *request)
{
	for (size_t i = 0; i < request->verdict->process_count; i++) {
		const struct verdict_held *held = &request->verdict->processes[i].held;

		request->held.bytes += held->bytes;
		request->held.count += held->count;
		request->held.stack_bytes += held->stack_bytes;
		request->held.estimated |= held->estimated;
	}
}

void judge(struct accounts *accounts, void *user)
{
	struct judge_request *request = user;
	struct accounts_counts counts;
	struct ledger_counts ledger;
	int err;

	join_looks(accounts, request->session);
	judge_sample(accounts, request->session, request->now_ns);
	accounts_get_counts(accounts, &counts);
	request->events = counts.events;
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		ledger_counts(accounts_at(accounts, i)->ledger, &ledger);
		request->allocs += ledger.allocs;
		request->frees += ledger.frees + ledger.unmatched_frees;
		request->unmatched_frees += ledger.unmatched_frees;
	}
	err = judge_all(accounts, request->session, request->now_ns, &request->verdict);
	if (err)
		log_debug_err(err, "no verdict this time");
	else
		add_held(request);
}
