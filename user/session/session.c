// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/session.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/calibrate.h"
#include "process/proc/process.h"
#include "session/session_internal.h"
#include "session/spans.h"

#define LIFE_SLOTS      65536
#define ATTACH_MAX      256 /* processes; children beyond that are left out */
#define FULL_READ_TICKS 10  /* PSS and USS walk page tables: every tenth tick, and at the ends */

static void on_life(void *user, const struct life *life)
{
	struct session *session = user;
	size_t path_bytes = life->path ? strlen(life->path) + 1 : 0;
	struct life *copy = malloc(sizeof(*copy) + path_bytes);

	if (!copy)
		return;
	*copy = *life;
	if (path_bytes)
		copy->path = memcpy(copy + 1, life->path, path_bytes);
	/* Full: the next tick's look at the maps and the process list makes up for it. */
	if (mailbox_post(session->lives, copy))
		free(copy);
}

static int start_ingest(struct session *session)
{
	struct accounts_options accounts = {
		.memory_bytes = session->options.memory_bytes,
		.follow = session->options.follow,
		.life = on_life,
		.user = session,
	};
	bool by_thread = component_rules_by_thread(&session->options.components);
	struct ingest_options ingest = {
		.ring_fd = probe_ring_fd(session->probe),
		.recorder = session->options.recorder,
		.lazy = session->options.patient,
	};
	int err = by_thread ? thread_book_new(&session->options.components, process_thread_comm,
					      &session->threads)
			    : 0;

	accounts.threads = session->threads;
	if (session->options.patient)
		session->busy_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ingest.busy_fd = session->busy_fd; /* without it a check is at most GOVERNOR_CALM_NS late */
	if (!err)
		err = accounts_new(&accounts, &session->accounts);
	if (!err)
		err = python_names_new(&session->python_names);
	if (!err)
		err = python_watch_new(session->options.memory_bytes / 16, &session->python_watch);
	if (!err && session->options.spans.count)
		python_watch_match(session->python_watch, spans_on_python, session);
	if (err)
		return err;
	ingest.accounts = session->accounts;
	ingest.python = session->python_watch;
	return ingest_new(&ingest, &session->ingest);
}

static int on_signal(void *user, uint32_t number)
{
	struct session *session = user;

	log_info("signal %u: stop and report", number);
	session->end = SESSION_SIGNAL;
	return 1;
}

static int start_loop(struct session *session)
{
	sigset_t signals;
	int err = loop_new(&session->loop);

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (!err)
		err = loop_add_signals(session->loop, &signals, on_signal, session,
				       &session->signal_fd);
	if (!err)
		err = loop_add_fd(session->loop, mailbox_fd(session->lives), EPOLLIN,
				  members_on_life, session);
	return err;
}

int session_new(const struct session_options *options, struct session **ret, struct hf_error *error)
{
	_cleanup_(session_freep) struct session *session = calloc(1, sizeof(*session));
	struct probe_options probe = {
		.ring_bytes = options->ring_bytes,
		.faults = options->faults,
		.no_mappings = options->off >> SESSION_MAPPINGS & 1,
		.follow = options->follow,
		.span_rules = options->spans.count < HF_MAX_SPAN_RULES ? options->spans.count
								       : HF_MAX_SPAN_RULES,
		.count_runs = options->count_runs,
		.count_user = options->count_user,
		.small = options->lean,
	};
	int err;

	if (!session)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	session->options = *options;
	session->timer_fd = session->signal_fd = session->busy_fd = -1;
	call_cache_init(&session->calls, CALL_CACHE_SITES);
	err = module_set_new(&session->modules);
	if (!err)
		err = mailbox_new(LIFE_SLOTS, &session->lives);
	/* Signals are blocked before the ingest thread starts. */
	if (!err)
		err = start_loop(session);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "can't start: %s",
				       strerror(-err));
	err = probe_new(&probe, &session->probe, error);
	if (err)
		return err;
	/* Before there is a second thread. */
	if (probe_calibrate(session->probe, false, &session->costs))
		cost_defaults(&session->costs);
	err = start_ingest(session);
	if (!err)
		err = governor_new(session, &session->governor);
	/* Without windows there is no line for what is made, but the rest of the verdict. */
	if (!err && pylooks_wanted(session) && !session_is_off(session, SESSION_PYTHON_LINES) &&
	    births_new(session, &session->births) == -ENOMEM)
		err = -ENOMEM;
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "can't start: %s",
				       strerror(-err));
	*ret = no_free_ptr(session);
	return 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_detach(session);
	births_free(session->births);
	governor_free(session->governor);
	ingest_free(session->ingest);
	if (session->busy_fd >= 0)
		close(session->busy_fd);
	python_watch_free(session->python_watch);
	python_names_free(session->python_names);
	probe_free(session->probe);
	accounts_free(session->accounts);
	thread_book_free(session->threads);
	for (size_t i = 0; i < session->members.count; i++)
		member_free(session->members.items[i]);
	vec_done(&session->members);
	call_cache_done(&session->calls);
	module_set_free(session->modules);
	loop_free(session->loop);
	mailbox_free(session->lives, free);
	verdict_free(session->verdict);
	resolver_free(session->resolver);
	free(session->scan_broke_off);
	if (session->replayed) {
		name_table_free(session->replayed->names);
		strmap_done(&session->replayed->modules, NULL);
		arena_done(&session->replayed->arena);
		free(session->replayed);
	}
	free(session);
}

/* One named by its parent only may be soon over: its age counts. */
static uint64_t born_ns(const struct target *target)
{
	uint64_t age_ns = clock_wall_ns() - target->start_wall_ns, now_ns = clock_now_ns();

	return age_ns < now_ns ? now_ns - age_ns : 1;
}

/*
 * Those that it has already; what it forks from now on is followed anyway, also one that is on the list for having been
 * forked just now: a child is listed a moment before the kernel side knows of it. One that can't be attached to is left out.
 */
static void attach_children(struct session *session, int pid)
{
	const struct timespec moment = {.tv_nsec = 2000000};
	_cleanup_free_ int *children = NULL;
	size_t count;

	if (process_children(pid, &children, &count))
		return;
	if (count)
		nanosleep(&moment, NULL);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
		struct member *member;

		if (probe_records(session->probe, children[i]))
			continue;
		if (session->members.count >= ATTACH_MAX ||
		    members_attach(session, children[i], &error)) {
			session->children_left++;
			log_info("child %d of %d is left out: %s", children[i], pid,
				 error_is_set(&error) ? error.what.buf : "too many");
			continue;
		}
		member = members_newest(session, children[i]);
		member->born_ns = born_ns(member->target);
		attach_children(session, children[i]);
	}
}

int session_attach(struct session *session, int pid, struct hf_error *error)
{
	int err;

	/* Loading the programs is not watching. */
	if (!session->started_ns) {
		session->started_ns = session->last_tick_ns = clock_now_ns();
		session->started_wall_ns = clock_wall_ns();
		overhead_start(session);
	}
	err = members_newest(session, pid) ? 0 : members_attach(session, pid, error);
	if (!err && session->options.follow)
		attach_children(session, pid);
	if (!err)
		governor_attached(session->governor);
	return err;
}

int session_pid(const struct session *session)
{
	return session->members.count ? session->members.items[0]->target->key.pid : 0;
}

const char *session_comm(const struct session *session)
{
	return session->members.count ? session->members.items[0]->target->comm : "";
}

static uint64_t lost_events(const struct hf_loss *loss)
{
	uint64_t sum = 0;

	for (int i = 0; i < HF_LOSS_REASON_COUNT; i++)
		sum += loss->count[i];
	return sum;
}

static uint64_t first_rss(const struct session *session)
{
	const struct gauge *gauge = session->members.items[0]->gauge;
	size_t count = gauge_count(gauge);

	return count ? gauge_at(gauge, count - 1)->rss_bytes : 0;
}

/* What the tick's owner gets to see, from the numbers of this tick and those of the last. */
static void add_gc(const struct session *session, struct session_view *view)
{
	const struct member *member = session->members.items[0];
	size_t count = gauge_count(member->gauge), first = 0;
	const struct sample *last = count ? gauge_at(member->gauge, count - 1) : NULL;

	view->has_gc = member->python.layout || member->java_first_ns;
	view->gc_pause_ms = last ? (double)last->gc_pause_ns / NS_PER_MS : 0;
	view->gc_timed_s = pauses_timed_s(session, member);
	if (member->java_first_ns)
		view->gc_timed_s =
			(double)(member->java_last_ns - member->java_first_ns) / NS_PER_S;
	/* Those from before the interpreter was found have none. */
	while (first < count && !gauge_at(member->gauge, first)->gc_collections)
		first++;
	if (!view->has_gc || first == count)
		return;
	view->gc_collections =
		since(last->gc_collections, gauge_at(member->gauge, first)->gc_collections);
	view->gc_collected =
		since(last->gc_collected, gauge_at(member->gauge, first)->gc_collected);
}

static void fill_view(struct session *session, const struct judge_request *request,
		      struct session_view *view)
{
	uint64_t passed_ns = request->now_ns - session->last_tick_ns;
	uint64_t allocs = request->allocs - session->last_allocs;
	uint64_t frees = request->frees - session->last_frees;
	double seconds = (double)(passed_ns ? passed_ns : 1) / 1e9;
	bool all = governor_probes_all(session->governor);

	overhead_tick(session, request->allocs, request->frees);
	governor_facts(session->governor, request->now_ns, &session->facts);
	probe_losses(session->probe, &session->loss);
	*view = (struct session_view){
		.elapsed_ns = request->now_ns - session->started_ns,
		.verdict = session->verdict,
		.events = request->events,
		.lost_events = lost_events(&session->loss),
		.allocs_per_second = all ? (double)allocs / seconds
					 : session->facts.allocs_per_second,
		.frees_per_second = (double)frees / seconds,
		.held = request->held,
		.unmatched_frees = request->unmatched_frees,
		.rss_bytes = first_rss(session),
		.overhead_percent = session->facts.last_overhead_percent,
		.running = members_running(session),
		.sees_all = all,
	};
	add_gc(session, view);
	session->last_tick_ns = request->now_ns;
	session->last_allocs = request->allocs;
	session->last_frees = request->frees;
}

static int on_timer(void *user, uint32_t expirations)
{
	struct session *session = user;
	struct judge_request request = {.session = session, .now_ns = clock_now_ns()};
	struct session_view view;

	(void)expirations;
	members_refresh(session, request.now_ns, session->tick_count++ % FULL_READ_TICKS == 0);
	ingest_call(session->ingest, judge, &request);
	looks_tick(session, request.now_ns);
	pylooks_tick(session, request.now_ns);
	births_tick(session->births, request.now_ns);
	verdict_free(session->verdict);
	session->verdict = request.verdict;
	fill_view(session, &request, &view);
	if (session->tick && session->tick(session->tick_user, session, &view)) {
		session->end = SESSION_ENOUGH;
		return 1;
	}
	if (!view.running) {
		session->end = SESSION_ALL_ENDED;
		return 1;
	}
	return 0;
}

static uint64_t tick_ns(const struct session *session)
{
	double times = SESSION_TICKS_PERCENT / session->options.budget_percent;

	if (!session->options.patient || times < 1)
		return session->options.interval_ns;
	return (uint64_t)((double)session->options.interval_ns *
			  (times < SESSION_TICKS_MOST ? times : SESSION_TICKS_MOST));
}

void session_set_budget(struct session *session, double percent)
{
	uint64_t before_ns = tick_ns(session);

	session->options.budget_percent = percent;
	if (session->timer_fd >= 0 && tick_ns(session) != before_ns)
		loop_set_timer(session->loop, session->timer_fd, tick_ns(session),
			       tick_ns(session));
}

void session_set_looks(struct session *session, bool on)
{
	session->looks_wait = !on;
}

int session_add_fd(struct session *session, int fd, int (*fn)(void *user, uint32_t events),
		   void *user)
{
	return loop_add_fd(session->loop, fd, EPOLLIN, fn, user);
}

int session_run(struct session *session, uint64_t for_ns, session_tick_fn tick, void *user,
		enum session_end *ret_end)
{
	int err;

	session->tick = tick;
	session->tick_user = user;
	session->end = SESSION_ENOUGH;
	err = loop_add_timer(session->loop, tick_ns(session), on_timer, session,
			     &session->timer_fd);
	if (err)
		return err;
	err = governor_start(session->governor);
	if (err)
		return err;
	looks_tick(session, clock_now_ns());
	pylooks_tick(session, clock_now_ns());
	err = for_ns ? loop_run_for(session->loop, for_ns) : loop_run(session->loop);
	loop_remove(session->loop, session->timer_fd);
	session->timer_fd = -1;
	if (err == -ETIME)
		session->end = SESSION_TIME_UP;
	else if (err < 0)
		return err;
	*ret_end = session->end;
	return 0;
}

/* What the way from the stop to the report spends its time on; scripts/bench reads these lines. */
static void log_part(const char *part, uint64_t began_ns)
{
	log_debug("report part %s: %.3f ms", part, (double)(clock_now_ns() - began_ns) / NS_PER_MS);
}

void session_detach(struct session *session)
{
	struct judge_request request = {.session = session};
	uint64_t began_ns;

	if (session->detached || !session->ingest)
		return;
	session->detached = true;
	births_stop(session->births);
	governor_stop(session->governor);
	session->stopped_ns = clock_now_ns();
	probe_detach(session->probe, 0);
	log_part("detached", session->stopped_ns);
	began_ns = clock_now_ns();
	looks_end(session);
	pylooks_end(session);
	log_part("looked", began_ns);
	began_ns = clock_now_ns();
	members_refresh(session, began_ns, true);
	ingest_stop(session->ingest);
	log_part("drained", began_ns);
	if (ingest_malformed(session->ingest))
		log_warn("%lu malformed events: a bug of ours",
			 (unsigned long)ingest_malformed(session->ingest));
	members_take_lives(session);
	request.now_ns = clock_now_ns();
	judge(session->accounts, &request);
	log_part("judged", request.now_ns);
	verdict_free(session->verdict);
	session->verdict = request.verdict;
	session->last_allocs = request.allocs;
	session->last_frees = request.frees;
	overhead_stop(session, request.allocs, request.frees);
	governor_facts(session->governor, session->stopped_ns, &session->facts);
	probe_losses(session->probe, &session->loss);
}

int session_end_error(const struct session *session, enum session_end end, struct hf_error *error)
{
	if (end != SESSION_OVER_BUDGET)
		return 0;
	error_set(error, HF_E_BUDGET, "detached to protect process %d", session_pid(session));
	error_why(error, "for %.0f s tracing took more than twice the budget of %.2g %%",
		  GOVERNOR_WATCHDOG_S, session->options.budget_percent);
	return error_fix(error,
			 "allow more with --budget, or look without tracing: holdfast scan %d",
			 session_pid(session));
}

int session_snapshot(struct session *session, size_t site_max, struct report **ret)
{
	struct build_options build = {
		.site_max = site_max,
		.now_ns = clock_now_ns(),
		.verdict = session->verdict,
	};

	return session->members.count ? build_snapshot(session, &build, ret) : -ESRCH;
}

int session_interim_report(struct session *session, size_t site_max, struct report **ret)
{
	struct build_options build = {.site_max = site_max};
	struct report *names = NULL;
	int err = session_snapshot(session, site_max, &names);

	report_free(names);
	if (err)
		return err;
	if (!session->verdict)
		return -EAGAIN;
	build.now_ns = clock_now_ns();
	build.verdict = session->verdict;
	return build_interim_report(session, &build, ret);
}

void session_release(const struct session *session)
{
	if (session->resolver)
		resolver_release(session->resolver);
	malloc_trim(0);
}

int session_report(struct session *session, struct report **ret, struct hf_error *error)
{
	struct build_options build = {.now_ns = session->stopped_ns, .verdict = session->verdict};
	uint64_t began_ns = clock_now_ns();
	int err = session->verdict ? build_report(session, &build, ret) : -ENOMEM;

	log_part("built", began_ns);
	if (session->resolver)
		log_debug("report part symbols: %.3f ms",
			  (double)resolver_look_up_ns(session->resolver) / NS_PER_MS);
	return err ? error_set_errno(error, HF_E_INTERNAL, -err, "no report: %s", strerror(-err))
		   : 0;
}
