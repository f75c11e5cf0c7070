// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/governor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "session/followed.h"
#include "session/governor_internal.h"

#define FIRST_LOOK_NS (10 * NS_PER_MS)
#define POLL_NS       (500 * NS_PER_MS)
#define FOLLOW_AGE_NS (2 * NS_PER_S) /* of a child */
#define CHOOSE_NS     (2 * NS_PER_S)
#define LOOK_SLICE_NS (50 * NS_PER_MS)
/* Of a patient session: these cost by the number of blocks and of sites. */
#define POLL_PATIENT_NS   (4 * NS_PER_S)
#define CHOOSE_PATIENT_NS (10 * NS_PER_S)
/* Not more often for what fills the ring. */
#define BUSY_NS (20 * NS_PER_MS)
/* A window is too short to tell a rate from chance with fewer calls. */
#define HITS_TELL 50

int governor_new(struct session *session, struct governor **ret)
{
	struct governor *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->session = session;
	g->exact = true;
	g->forced = session->options.exact;
	g->check_fd = g->phase_fd = -1;
	g->random = hash_seed_random();
	*ret = g;
	return 0;
}

void governor_free(struct governor *g)
{
	if (!g)
		return;
	window_thread_free(g->thread);
	probe_window_free(g->window);
	free(g);
}

/* By the calibration, and what our programs take with this target's stacks. */
static void update_costs(struct governor *g)
{
	const struct overhead *o = &g->session->overhead;
	const struct probe_costs *costs = &g->session->costs;
	/* Of our program with this target's stacks: those of Python are dearer than any that was calibrated with. */
	double program_ns =
		fmax(costs->call_program_ns,
		     o->factor * o->alloc_ns - cost_of_call(costs, COST_EMULATED, true));

	g->costs = (struct budget_costs){
		.alloc_ns = o->factor * o->alloc_ns,
		.free_ns = o->factor * o->free_ns,
		.followed_ns = 2 * cost_of_entry(costs, COST_EMULATED) + program_ns,
		.syscall_ns = costs->syscall_pair_ns,
		.fault_ns = program_ns + costs->event_ns,
		.trap_ns = cost_of_entry(costs, COST_EMULATED),
	};
}

static uint64_t process_cpu_ns(int pid)
{
	struct timespec spent;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &spent))
		return 0;
	return (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
}

uint64_t governor_cpu_ns(const struct governor *g)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->session->members.count; i++)
		if (!g->session->members.items[i]->ended)
			sum += process_cpu_ns(g->session->members.items[i]->target->key.pid);
	return sum;
}

static void sum_hits(struct accounts *accounts, void *user)
{
	struct budget_hits *hits = user;
	struct ledger_counts counts;

	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);

		ledger_counts(account->ledger, &counts);
		hits->followed += account->sampling.followed;
		hits->allocs += counts.allocs - account->sampling.followed;
		hits->frees += counts.frees + counts.unmatched_frees - counts.forgotten;
	}
}

static double spend(struct governor *g, const struct budget_hits *hits)
{
	double cost = budget_cost_ns(&g->costs, hits);

	g->spent_ns += cost;
	return cost;
}

void governor_saw(struct governor *g, const struct budget_window *window, double slowdown)
{
	g->spent_ns += window->cost_ns;
	g->burst_ns += window->cost_ns;
	g->seen_ns += window->on_ns;
	g->own_ns += (uint64_t)((double)window->on_ns / slowdown);
}

/* @value evened out by what is @now, which held for so long; @kept: of the old one, after GOVERNOR_CHECK_NS. */
static double even_out(double value, double now, double kept, uint64_t passed_ns)
{
	double rest = pow(kept, (double)passed_ns / GOVERNOR_CHECK_NS);

	return rest * value + (1 - rest) * now;
}

/* Time passes: more may be spent. */
static void allow(struct governor *g, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - g->checked_ns, cpu = governor_cpu_ns(g);
	double cores = cpu > g->cpu_ns && passed_ns ? (double)(cpu - g->cpu_ns) / (double)passed_ns
						    : 0;
	double allowed;

	/* Evened out over a second or so. */
	g->cores = even_out(g->cores, cores, 0.9, passed_ns);
	g->cpu_ns = cpu;
	g->checked_ns = now_ns;
	allowed = budget_allowed_ns(g->session->options.budget_percent, g->cores, passed_ns);
	g->allowed_ns += allowed;
	g->burst_ns -= allowed;
	if (g->burst_ns < 0)
		g->burst_ns = 0;
}

static struct budget_hits new_hits(struct governor *g)
{
	struct budget_hits now = {0}, passed;

	ingest_call(g->session->ingest, sum_hits, &now);
	passed = (struct budget_hits){.allocs = since(now.allocs, g->hits.allocs),
				      .frees = since(now.frees, g->hits.frees),
				      .followed = since(now.followed, g->hits.followed)};
	g->hits = now;
	return passed;
}

static bool tells_itself(const struct member *member)
{
	return member->allocators.function_count && member->allocators.functions[0].usdt.used;
}

static void take_probes_out(struct governor *g)
{
	for (size_t i = 0; i < g->session->members.count; i++) {
		const struct member *member = g->session->members.items[i];

		/* What a program tells by itself is a sample already. */
		if (!member->ended && member->probed && !tells_itself(member))
			probe_detach(g->session->probe, member->target->key.pid);
	}
	probe_calls_over(g->session->probe);
}

/* Followed calls */

static struct followed *followed_of(struct governor *g, struct member *member)
{
	if (!member->followed && followed_new(g->session, member, &member->followed))
		return NULL;
	return member->followed;
}

/* Half the budget, as calls a second. */
static double allowed_calls(const struct governor *g)
{
	return budget_allowed_ns(g->session->options.budget_percent, g->cores, NS_PER_S) *
	       BUDGET_MARGIN * BUDGET_FOLLOWED_SHARE / g->costs.followed_ns;
}

static void choose(struct governor *g, struct member *member)
{
	struct way_counts counts = {.pid = member->target->key.pid};
	size_t count;

	map64_init(&counts.counts, hash_seed_random());
	ingest_call(g->session->ingest, way_counts_take, &counts);
	count = followed_choose(member->followed, &counts, g->own_ns, allowed_calls(g));
	log_debug("pid %d: %zu calls followed after %.0f ms", counts.pid, count,
		  (double)(clock_now_ns() - g->session->started_ns) / NS_PER_MS);
	map64_done(&counts.counts);
}

/* A little at a time: looking for calls takes as long as the code is large. */
static void follow_member(struct governor *g, struct member *member, bool due)
{
	uint64_t until_ns = clock_now_ns() + LOOK_SLICE_NS;
	bool more;

	if (!followed_of(g, member))
		return;
	do
		more = followed_look(member->followed);
	while (more && clock_now_ns() < until_ns);
	/* Thousands of probes cost a process that is soon over (a compiler's) more than all that it would show. */
	if (!more && due &&
	    (!member->child || clock_now_ns() - member_since_ns(member) >= FOLLOW_AGE_NS))
		choose(g, member);
}

static void follow_all(struct governor *g)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t choose_ns = g->session->options.patient ? CHOOSE_PATIENT_NS : CHOOSE_NS;
	bool due = g->windows && now_ns - g->chosen_ns >= choose_ns;

	for (size_t i = 0; i < g->session->members.count; i++) {
		struct member *member = g->session->members.items[i];

		if (!member->ended && member->probed && !tells_itself(member))
			follow_member(g, member, due);
	}
	if (due)
		g->chosen_ns = now_ns;
}

/*
 * A call that is followed is in no window any more, and one that is not is in none yet: each window stands for a time
 * in which either was the same.
 */
static void settle_changes(struct governor *g)
{
	uint64_t changes = 0;

	for (size_t i = 0; i < g->session->members.count; i++)
		if (g->session->members.items[i]->followed)
			changes += followed_changes(g->session->members.items[i]->followed);
	if (changes != g->sites_changes)
		windows_settle(g);
	g->sites_changes = changes;
}

static void check_followed(struct governor *g, uint64_t now_ns)
{
	uint64_t made = 0, count = 0, dropped = 0;

	for (size_t i = 0; i < g->session->members.count; i++) {
		struct followed *followed = g->session->members.items[i]->followed;

		if (!followed || g->session->members.items[i]->ended)
			continue;
		if (followed_count(followed))
			made += followed_check(followed, now_ns, allowed_calls(g));
		count += followed_count(followed);
		dropped += followed_dropped(followed);
	}
	if (count > g->sites_followed)
		g->sites_followed = count;
	g->sites_dropped = dropped;
	g->others_ns += spend(g, &(struct budget_hits){.followed = made});
}

/* Tracepoints and stops */

static void drop_extra(struct governor *g, enum probe_extra which, double share)
{
	if (!g->forced && probe_drop_extra(g->session->probe, which))
		log_info("%s takes %.2f %% of the time: given up",
			 which == PROBE_FAULTS ? "watching page faults" : "watching mappings",
			 share * 100);
}

/* Whatever else we do to it, beside its calls. */
static void check_extras(struct governor *g, uint64_t passed_ns)
{
	double allowed = budget_allowed_ns(g->session->options.budget_percent, g->cores, passed_ns);
	struct budget_hits now = {0}, passed;
	uint64_t pauses = 0;

	for (size_t i = 0; i < g->session->members.count; i++) {
		const struct member *member = g->session->members.items[i];
		struct probe_extra_hits hits = {0};

		if (!member->ended)
			hits = probe_extra_hits(g->session->probe, member->target->key.pid);
		now.system_calls += hits.system_calls;
		now.faults += hits.faults;
		now.stopped_ns += member->look.stop_ns_total + member->pylook.stop_ns_total;
		pauses += member->pauses.hits;
	}
	now.traps = pauses + births_traps(g->session->births);
	passed = (struct budget_hits){
		.system_calls = since(now.system_calls, g->extras.system_calls),
		.faults = since(now.faults, g->extras.faults),
		.stopped_ns = since(now.stopped_ns, g->extras.stopped_ns),
		.traps = since(now.traps, g->extras.traps),
	};
	g->pause_share = even_out(g->pause_share,
				  g->costs.trap_ns * (double)since(pauses, g->pauses) / allowed,
				  0.9, passed_ns);
	g->extras = now;
	g->pauses = pauses;
	g->stopped_ns += (double)passed.stopped_ns;
	g->others_ns += spend(g, &passed);
	/* Evened out: a second or so of it does not matter. */
	g->syscall_share = even_out(g->syscall_share,
				    g->costs.syscall_ns * (double)passed.system_calls / allowed,
				    0.9, passed_ns);
	g->fault_share = even_out(g->fault_share,
				  g->costs.fault_ns * (double)passed.faults / allowed, 0.9,
				  passed_ns);
	if (g->syscall_share > BUDGET_EXTRA_SHARE)
		drop_extra(g, PROBE_MAPPINGS, g->syscall_share * allowed / (double)passed_ns);
	if (g->fault_share > BUDGET_EXTRA_SHARE)
		drop_extra(g, PROBE_FAULTS, g->fault_share * allowed / (double)passed_ns);
	if (g->pause_share > BUDGET_EXTRA_SHARE && !g->forced)
		pauses_give_up(g->session);
}

/* The time in which all was seen was a window, too. */
static void see_some(struct governor *g)
{
	uint64_t signed_ns, now_ns;
	int err;

	err = windows_begin(g);
	if (err == -ENOTSUP)
		log_warn("too many calls for the budget, and no windows before kernel 6.6: "
			 "from now on the heap is looked at, but no call traced");
	else if (err)
		log_warn_err(err, "too many calls for the budget, but no windows");
	else
		log_info("too many calls for the budget: windows from now on");
	if (err && err != -ENOTSUP)
		return;
	survivors_keep_lists(g, true);
	signed_ns = clock_now_ns();
	survivors_sign_all(g);
	take_probes_out(g);
	now_ns = clock_now_ns();
	survivors_end_window(g, signed_ns);
	windows_end_exact(g, signed_ns, now_ns);
	g->exact = false;
	looks_go_blind(g->session);
	if (!err)
		windows_schedule(g, FIRST_LOOK_NS);
}

void governor_see_all(struct governor *g)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	int err = 0;

	log_info("few calls: every one is traced from now on");
	windows_end(g);
	survivors_sign(g);
	survivors_keep_lists(g, false);
	for (size_t i = 0; !err && i < g->session->members.count; i++) {
		struct member *member = g->session->members.items[i];

		if (member->ended || !member->probed || tells_itself(member))
			continue;
		probe_detach(g->session->probe, member->target->key.pid);
		if (member->followed)
			followed_pause(member->followed);
		member->allocators.first_new = 0;
		err = probe_attach(g->session->probe, member->target, &member->allocators,
				   &member->attached, &error);
		if (err)
			log_debug_err(err, "process %d", member->target->key.pid);
	}
	g->exact = true;
	g->burst_ns = 0;
}

/* Is it more than a burst? */
static bool is_too_much(const struct governor *g)
{
	return g->burst_ns >
	       budget_allowed_ns(g->session->options.budget_percent, g->cores, BUDGET_BURST_NS);
}

/*
 * Whatever was planned: twice the budget, for so long, is too much. But for looks: the stop of one alone may be more than
 * that, of a large heap; as long as --max-stop allows it, and then there is none for all the longer.
 */
static void watch_spending(struct governor *g, uint64_t passed_ns)
{
	double step_ns = windows_times(g->session) * GOVERNOR_CHECK_NS;
	uint64_t steps;
	struct governor_balance *then = &g->balances[g->balance_count % GOVERNOR_BALANCES];
	struct governor_balance now = {g->spent_ns - g->stopped_ns, g->allowed_ns};

	if (g->balance_count >= GOVERNOR_BALANCES &&
	    now.spent_ns - then->spent_ns > 2 * (now.allowed_ns - then->allowed_ns)) {
		g->session->end = SESSION_OVER_BUDGET;
		loop_stop(g->session->loop, 1);
	}
	g->balance_ns += (double)passed_ns;
	steps = (uint64_t)(g->balance_ns / step_ns + 0.5);
	if (steps)
		g->balance_ns = 0;
	for (uint64_t i = 0; i < steps; i++)
		g->balances[g->balance_count++ % GOVERNOR_BALANCES] = now;
}

static void check(struct governor *g)
{
	uint64_t now_ns = clock_now_ns(), passed_ns = now_ns - g->checked_ns;
	struct budget_hits hits = new_hits(g);

	update_costs(g);
	if (passed_ns)
		check_extras(g, passed_ns);
	if (g->exact) {
		governor_saw(
			g, &(struct budget_window){passed_ns, budget_cost_ns(&g->costs, &hits)}, 1);
		g->rate = passed_ns ? (double)hits.allocs / ((double)passed_ns / NS_PER_S) : 0;
	} else {
		check_followed(g, now_ns);
	}
	if (passed_ns)
		g->other_share =
			even_out(g->other_share, g->others_ns / (double)passed_ns, 0.95, passed_ns);
	g->others_ns = 0;
	allow(g, now_ns);
	if (g->forced)
		return;
	if (g->exact && is_too_much(g))
		see_some(g);
	watch_spending(g, passed_ns);
}

/* What is seen at once after the first process came, before anything else is done. */
void governor_attached(struct governor *g)
{
	struct timespec moment = {.tv_nsec = FIRST_LOOK_NS};
	struct budget_window first;
	struct budget_hits hits;
	double allowed;

	if (!g)
		return;
	update_costs(g);
	if (!g->checked_ns) {
		g->checked_ns = clock_now_ns();
		g->ended_ns = g->session->started_ns;
	}
	/* What it maps is not the program's own; nobody else would tell. */
	if (session_is_off(g->session, SESSION_NATIVE))
		survivors_keep_lists(g, true);
	if (!g->exact)
		governor_members_changed(g);
	if (!g->exact || g->forced)
		return;
	g->cpu_ns = governor_cpu_ns(g);
	nanosleep(&moment, NULL);
	first.on_ns = clock_now_ns() - g->checked_ns;
	hits = new_hits(g);
	first.cost_ns = budget_cost_ns(&g->costs, &hits);
	governor_saw(g, &first, 1);
	allowed = budget_allowed_ns(g->session->options.budget_percent, 1, first.on_ns);
	allow(g, clock_now_ns());
	if (hits.allocs + hits.frees >= HITS_TELL && first.cost_ns > 2 * allowed)
		see_some(g);
}

static void pace_checks(struct governor *g)
{
	uint64_t check_ns = GOVERNOR_CHECK_NS;

	if (g->session->options.patient && !g->exact)
		check_ns = GOVERNOR_CALM_SOME_NS;
	else if (g->session->options.patient && g->burst_ns <= 0)
		check_ns = GOVERNOR_CALM_NS;
	if (check_ns == g->check_ns || g->check_fd < 0)
		return;
	g->check_ns = check_ns;
	loop_set_timer(g->session->loop, g->check_fd, check_ns, check_ns);
}

static int on_check(void *user, uint32_t expirations)
{
	struct governor *g = user;

	(void)expirations;
	check(g);
	pace_checks(g);
	looks_tick(g->session, clock_now_ns());
	pylooks_tick(g->session, clock_now_ns());
	if (g->exact)
		return 0;
	/* While a window is open its own end does that, at the right moment. */
	if (g->phase != WINDOW_IDLE)
		return 0;
	survivors_sign(g);
	if (g->thread)
		follow_all(g);
	settle_changes(g);
	if (clock_now_ns() - g->polled_ns >=
	    (g->session->options.patient ? POLL_PATIENT_NS : POLL_NS)) {
		survivors_poll(g);
		g->polled_ns = clock_now_ns();
	}
	return 0;
}

static int on_busy(void *user, uint32_t events)
{
	struct governor *g = user;
	uint64_t count;

	(void)events;
	if (read(g->session->busy_fd, &count, sizeof(count)) < 0)
		return 0;
	if (g->phase != WINDOW_IDLE || clock_now_ns() - g->checked_ns < BUSY_NS)
		return 0;
	return on_check(g, 1);
}

int governor_start(struct governor *g)
{
	int err;

	if (!g)
		return 0;
	g->check_ns = GOVERNOR_CHECK_NS;
	err = loop_add_timer(g->session->loop, g->check_ns, on_check, g, &g->check_fd);
	if (!err && g->session->busy_fd >= 0)
		err = loop_add_fd(g->session->loop, g->session->busy_fd, EPOLLIN, on_busy, g);
	return err;
}

void governor_stop(struct governor *g)
{
	if (!g)
		return;
	if (g->check_fd >= 0)
		loop_remove(g->session->loop, g->check_fd);
	g->check_fd = -1;
	if (g->session->busy_fd >= 0)
		loop_remove(g->session->loop, g->session->busy_fd);
	check(g);
	if (g->exact)
		return;
	windows_stop(g);
	survivors_poll(g);
}

void governor_forget_member(struct governor *g, struct member *member)
{
	(void)g;
	watch_free(member->watch);
	member->watch = NULL;
	followed_free(member->followed);
	member->followed = NULL;
}

bool governor_saw_some(const struct governor *g)
{
	return g && (!g->exact || g->windows);
}

bool governor_probes_all(const struct governor *g)
{
	return !g || g->exact;
}

void governor_facts(struct governor *g, uint64_t now_ns, struct governor_facts *ret)
{
	uint64_t elapsed_ns = now_ns - g->session->started_ns;
	uint64_t passed_ns = now_ns - g->told_ns;
	double cores = g->cores > 1 ? g->cores : 1;

	*ret = (struct governor_facts){
		.exact = g->exact,
		.windows = g->windows,
		.windows_cut = g->windows_cut,
		.duty = elapsed_ns ? (double)g->seen_ns / (double)elapsed_ns : 1,
		.overhead_percent = elapsed_ns ? (g->spent_ns + g->session->overhead.counting_ns) /
							 (double)elapsed_ns / cores * 100
					       : 0,
		.forecast_percent = g->session->options.budget_percent * BUDGET_MARGIN,
		.cores = cores,
		.hold_ns = g->step.hold_ns,
		.sites_followed = g->sites_followed,
		.sites_dropped = g->sites_dropped,
		.allocs_per_second = g->rate,
	};
	if (ret->duty > 1 || !g->windows)
		ret->duty = 1;
	if (passed_ns)
		g->told_percent =
			(g->spent_ns - g->told_spent_ns) / (double)passed_ns / cores * 100;
	ret->last_overhead_percent = g->told_percent;
	g->told_ns = now_ns;
	g->told_spent_ns = g->spent_ns;
}
