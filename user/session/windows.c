// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Windows, one after the other: IDLE -timer-> OPENING -probes in-> OPEN -timer-> (contents are noted) CLOSING -probes
 * gone-> (what was seen is weighed) IDLE.
 */
#include <errno.h>
#include <math.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "session/governor_internal.h"

/* The thread that holds the window closes it by itself so much later, should we be late. */
#define OVERTIME_NS (20 * NS_PER_MS)
/* A longer window is looked at so often. */
#define SLICE_NS (8 * NS_PER_MS)
/* One that was cut shorter than this, at the end of a watch, tells less of its time than the one before it. */
#define SHORTEST_NS (2 * NS_PER_MS)
#define RETRY_NS    NS_PER_S

static void drop_window(struct governor *g)
{
	probe_window_free(g->window);
	g->window = NULL;
}

static int make_window(struct governor *g)
{
	int err = g->window ? 0 : probe_window_new(g->session->probe, &g->window);

	for (size_t i = 0; !err && i < g->session->members.count; i++) {
		const struct member *member = g->session->members.items[i];

		if (!member->ended && member->probed)
			err = probe_window_add(g->window, member->target, &member->allocators);
	}
	if (err)
		drop_window(g);
	return err;
}

/* What one process's window has shown. */
struct seen {
	uint64_t allocs, frees, first_ns, last_ns;
};

static void reset_seen(struct accounts *accounts, void *user)
{
	(void)user;
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		struct account_sampling *s = &accounts_at(accounts, i)->sampling;

		s->allocs = s->frees = s->first_ns = s->last_ns = 0;
	}
}

static void sum_seen(struct accounts *accounts, void *user)
{
	struct seen *seen = user;

	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account_sampling *s = &accounts_at(accounts, i)->sampling;

		seen->allocs += s->allocs;
		seen->frees += s->frees;
		if (s->first_ns && (!seen->first_ns || s->first_ns < seen->first_ns))
			seen->first_ns = s->first_ns;
		if (s->last_ns > seen->last_ns)
			seen->last_ns = s->last_ns;
	}
}

static void arm(struct governor *g, uint64_t in_ns)
{
	if (g->phase_fd >= 0)
		loop_set_timer(g->session->loop, g->phase_fd, in_ns ? in_ns : 1, 0);
}

static struct pace_reading read_pace(const struct governor *g)
{
	struct pace_reading reading = {.time_ns = clock_now_ns(), .cpu_ns = governor_cpu_ns(g)};

	for (size_t i = 0; i < g->session->members.count; i++) {
		const struct member *member = g->session->members.items[i];
		uint64_t calls;

		if (!member->ended && !process_io_calls(member->target->key.pid, &calls))
			reading.calls += calls;
	}
	return reading;
}

void windows_schedule(struct governor *g, uint64_t in_ns)
{
	g->phase = WINDOW_IDLE;
	g->mark = read_pace(g);
	arm(g, in_ns);
}

/* Events of a call and its release, as they stand in the ring with a header of 8 bytes each. */
#define PAIR_BYTES (sizeof(struct hf_event_alloc) + sizeof(struct hf_event_free) + 16)

/*
 * To open one is work of ours, the more the more processes the machine has, since all that map the library are looked
 * through. A patient session has fewer and longer ones.
 */
#define PATIENT_PERCENT 1.0
#define PATIENT_TIMES   20

double windows_times(const struct session *session)
{
	double times = PATIENT_PERCENT / session->options.budget_percent;

	if (!session->options.patient || times < 1)
		return 1;
	return times < PATIENT_TIMES ? times : PATIENT_TIMES;
}

static double period_allowed_ns(const struct governor *g)
{
	return budget_allowed_ns(g->session->options.budget_percent, g->cores, BUDGET_PERIOD_NS) *
	       windows_times(g->session);
}

/* By these the thread that holds the window sees that it is too dear, should we be late: at twice what we would bear. */
static uint64_t most_bytes(const struct governor *g)
{
	return (uint64_t)(2 * period_allowed_ns(g) / (g->costs.alloc_ns + g->costs.free_ns) *
			  PAIR_BYTES);
}

static void open_next(struct governor *g)
{
	int err = g->window ? 0 : make_window(g);
	struct pace_reading now = read_pace(g);

	pace_outside(&g->pace, &g->mark, &now);
	if (!err) {
		ingest_call(g->session->ingest, reset_seen, NULL);
		err = window_thread_open(g->thread, g->window, g->step.hold_ns + OVERTIME_NS,
					 most_bytes(g));
	}
	if (err) {
		log_debug_err(err, "no window this time");
		windows_schedule(g, RETRY_NS);
		return;
	}
	g->phase = WINDOW_OPENING;
	g->planned_ns = g->step.hold_ns;
	g->signed_ns = 0;
}

/* Before the probes go: afterwards nobody sees which of the blocks are handed out anew. */
static void close_open(struct governor *g)
{
	g->closing = read_pace(g);
	g->signed_ns = clock_now_ns();
	survivors_sign(g);
	window_thread_close(g->thread);
	g->phase = WINDOW_CLOSING;
}

static void emit_window(struct governor *g, int pid, const struct ledger_window *w)
{
	struct hf_event_window event = {
		.h = {.kind = HF_EVENT_WINDOW,
		      .size_bytes = sizeof(event),
		      .time_ns = w->until_ns,
		      .pid = (uint32_t)pid,
		      .tid = (uint32_t)pid},
		.until_ns = w->until_ns,
		.known_ns = w->known_ns,
		.stands_for_ns = w->stands_for_ns,
		.seen_ns = w->seen_ns,
		.lived_ns = w->lived_ns,
		.error_ppm = (uint64_t)(w->error * 1e6),
	};

	ingest_emit(g->session->ingest, &event.h);
}

struct weighing {
	struct governor *governor;
	struct ledger_window window;
};

static void weigh(struct accounts *accounts, void *user)
{
	const struct weighing *w = user;

	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);

		if (!account->ended_ns)
			emit_window(w->governor, account->pid, &w->window);
	}
}

/* Without any length: nothing was seen since the last one. */
struct window_span {
	uint64_t from_ns, known_ns, until_ns;
	struct pace_slowdown slowdown;
};

static void end_window(struct governor *g, const struct window_span *span)
{
	double factor = span->slowdown.factor;
	struct weighing w = {
		g,
		{.until_ns = span->until_ns,
		 .known_ns = span->known_ns,
		 .stands_for_ns = span->until_ns - g->ended_ns,
		 .seen_ns = (uint64_t)ceil((double)(span->until_ns - span->from_ns) / factor),
		 .lived_ns = (uint64_t)ceil((double)(span->known_ns - span->from_ns) / factor),
		 .error = span->slowdown.error}};

	ingest_call(g->session->ingest, weigh, &w);
	g->ended_ns = span->until_ns;
	g->windows += span->until_ns > span->from_ns;
}

static void end_blind_time(struct governor *g, uint64_t now_ns)
{
	struct window_span span = {now_ns, now_ns, now_ns, {1, 0}};

	if (now_ns > g->ended_ns)
		end_window(g, &span);
}

void windows_settle(struct governor *g)
{
	if (g->windows)
		end_blind_time(g, clock_now_ns());
}

void windows_end_exact(struct governor *g, uint64_t known_ns, uint64_t now_ns)
{
	struct window_span span = {g->ended_ns, known_ns, now_ns, {1, 0}};

	if (known_ns > g->ended_ns)
		end_window(g, &span);
	g->windows--;
}

static double cost_of(const struct governor *g, const struct seen *seen)
{
	struct budget_hits hits = {.allocs = seen->allocs, .frees = seen->frees};

	return budget_cost_ns(&g->costs, &hits);
}

/* Would it be cheap enough to see all? */
static void watch_calm(struct governor *g, const struct budget_window *last)
{
	double allowed =
		budget_allowed_ns(g->session->options.budget_percent, g->cores, last->on_ns);

	g->calm = last->cost_ns < BUDGET_EXACT_SHARE * allowed ? g->calm + 1 : 0;
}

static void plan_next(struct governor *g, const struct budget_window *last)
{
	double allowed = budget_allowed_ns(g->session->options.budget_percent, g->cores, NS_PER_S) /
			 NS_PER_S * BUDGET_MARGIN;
	double share = fmax(allowed - g->other_share, BUDGET_WINDOWS_LEAST * allowed);

	g->random = hash_u64(g->random + 1, g->random);
	g->step = budget_next(last, share, g->spent_ns - BUDGET_MARGIN * g->allowed_ns, g->random,
			      (uint64_t)(windows_times(g->session) * BUDGET_PERIOD_NS));
	log_debug(
		"window %lu: on %.1f ms, cost %.2f ms, slowdown %.2f; next in %.0f ms for %.0f ms, others %.2f %%",
		(unsigned long)g->windows, (double)last->on_ns / 1e6, last->cost_ns / 1e6,
		pace_slowdown(&g->pace).factor, (double)g->step.gap_ns / 1e6,
		(double)g->step.hold_ns / 1e6, g->other_share * 100);
}

/* Between our readings it was open all the time, if its thread did not close it by itself. */
static struct pace_slowdown slowdown_of(struct governor *g, const struct budget_window *window,
					const struct budget_times *times)
{
	double rate = window->cost_ns / (double)window->on_ns;

	if (g->mark.time_ns >= times->opened_ns && g->closing.time_ns <= times->closing_ns)
		pace_inside(&g->pace, &g->mark, &g->closing,
			    rate * (double)(g->closing.time_ns - g->mark.time_ns));
	return pace_slowdown(&g->pace);
}

static void find_span(const struct governor *g, const struct seen *seen,
		      const struct budget_times *times, struct window_span *ret)
{
	struct budget_span span = budget_span(times, seen->first_ns, seen->last_ns);

	ret->from_ns = span.from_ns;
	ret->until_ns = span.until_ns;
	ret->known_ns = g->signed_ns && g->signed_ns < ret->until_ns ? g->signed_ns : ret->until_ns;
	if (ret->known_ns <= ret->from_ns)
		ret->known_ns = ret->until_ns;
}

static void weigh_window(struct governor *g, const struct seen *seen,
			 const struct budget_window *last, const struct budget_times *times,
			 struct window_span *span)
{
	span->slowdown = slowdown_of(g, last, times);
	governor_saw(g, last, span->slowdown.factor);
	end_window(g, span);
	g->rate = (double)seen->allocs * span->slowdown.factor / ((double)last->on_ns / NS_PER_S);
	watch_calm(g, last);
	plan_next(g, last);
}

static void take_closed(struct governor *g)
{
	struct budget_times times;
	struct budget_window last;
	struct window_span span;
	struct seen seen = {0};
	int err = window_thread_take(g->thread, &times);

	ingest_call(g->session->ingest, sum_seen, &seen);
	if (err) {
		log_debug_err(err, "a window could not be opened");
		drop_window(g);
		windows_schedule(g, RETRY_NS);
		return;
	}
	find_span(g, &seen, &times, &span);
	g->windows_cut += times.closing_ns - times.opened_ns < g->planned_ns;
	log_debug("a window was opened in %.1f ms, and closed in %.1f",
		  (double)(times.opened_ns - times.open_ns) / 1e6,
		  (double)(times.closed_ns - times.closing_ns) / 1e6);
	survivors_end_window(g, g->signed_ns ? g->signed_ns : span.from_ns);
	last = (struct budget_window){span.until_ns - span.from_ns, cost_of(g, &seen)};
	if (last.on_ns >= SHORTEST_NS)
		weigh_window(g, &seen, &last, &times, &span);
	else
		governor_saw(g, &last, 1);
	if (g->members_changed)
		drop_window(g);
	g->members_changed = false;
	windows_schedule(g, g->step.gap_ns);
	if (g->calm >= BUDGET_EXACT_WINDOWS && !g->session->detached)
		governor_see_all(g);
}

/* It may be dearer than those before it: a program that works in bursts. */
static bool is_spent(struct governor *g)
{
	struct seen seen = {0};

	ingest_call(g->session->ingest, sum_seen, &seen);
	return cost_of(g, &seen) > period_allowed_ns(g);
}

/* A thread of ours that sees how full the ring gets would end it, too. */
static uint64_t slice_ns(const struct governor *g)
{
	uint64_t fourth_ns = g->step.hold_ns / 4;

	return g->session->options.patient && fourth_ns > SLICE_NS ? fourth_ns : SLICE_NS;
}

static void look_at_open(struct governor *g)
{
	uint64_t now_ns = clock_now_ns(), until_ns = g->opened_ns + g->step.hold_ns;

	if (now_ns >= until_ns || is_spent(g))
		close_open(g);
	else
		arm(g, until_ns - now_ns < slice_ns(g) ? until_ns - now_ns : slice_ns(g));
}

static int on_phase(void *user, uint32_t expirations)
{
	struct governor *g = user;

	(void)expirations;
	if (g->exact)
		return 0;
	if (g->phase == WINDOW_IDLE)
		open_next(g);
	else if (g->phase == WINDOW_OPEN)
		look_at_open(g);
	return 0;
}

static int on_opened(void *user, uint32_t events)
{
	struct governor *g = user;

	(void)events;
	window_thread_clear_opened(g->thread);
	if (g->phase != WINDOW_OPENING)
		return 0;
	g->phase = WINDOW_OPEN;
	g->mark = read_pace(g);
	g->opened_ns = clock_now_ns();
	arm(g, g->step.hold_ns < slice_ns(g) ? g->step.hold_ns : slice_ns(g));
	return 0;
}

static int on_closed(void *user, uint32_t events)
{
	(void)events;
	take_closed(user);
	return 0;
}

/* Once; afterwards it only waits. */
static int start_thread(struct governor *g)
{
	int err = g->thread ? 0 : window_thread_new(&g->thread);

	if (err || g->loop_has_fds)
		return err;
	err = loop_add_fd(g->session->loop, window_thread_opened_fd(g->thread), EPOLLIN, on_opened,
			  g);
	if (!err)
		err = loop_add_fd(g->session->loop, window_thread_closed_fd(g->thread), EPOLLIN,
				  on_closed, g);
	if (!err)
		err = loop_add_timer(g->session->loop, NS_PER_S, on_phase, g, &g->phase_fd);
	g->loop_has_fds = !err;
	return err;
}

int windows_begin(struct governor *g)
{
	int err = probe_way(g->session->probe) == PROBE_WAY_PERF ? -ENOTSUP : start_thread(g);

	if (err)
		return err;
	g->calm = 0;
	g->step.hold_ns = BUDGET_HOLD_MIN_NS;
	drop_window(g);
	return 0;
}

void windows_end(struct governor *g)
{
	if (g->phase != WINDOW_IDLE) {
		g->planned_ns = 0;
		if (g->phase == WINDOW_OPENING || g->phase == WINDOW_OPEN)
			close_open(g);
		take_closed(g);
	}
	end_blind_time(g, clock_now_ns());
	drop_window(g);
	if (g->phase_fd >= 0)
		loop_set_timer(g->session->loop, g->phase_fd, 0, 0);
}

void windows_stop(struct governor *g)
{
	windows_end(g);
	if (g->loop_has_fds) {
		loop_remove(g->session->loop, window_thread_opened_fd(g->thread));
		loop_remove(g->session->loop, window_thread_closed_fd(g->thread));
		loop_remove(g->session->loop, g->phase_fd);
	}
	g->loop_has_fds = false;
	g->phase_fd = -1;
	window_thread_free(g->thread);
	g->thread = NULL;
}

void governor_members_changed(struct governor *g)
{
	if (!g || g->exact)
		return;
	survivors_keep_lists(g, true);
	survivors_sign_new(g);
	if (g->phase == WINDOW_IDLE)
		drop_window(g);
	else
		g->members_changed = true;
}

bool governor_allows_look(const struct governor *g)
{
	return !g || g->exact || g->phase == WINDOW_IDLE || g->phase == WINDOW_CLOSING;
}
