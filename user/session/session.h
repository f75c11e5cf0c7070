/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run over a set of processes: attach, watch, judge, detach, report.
 *
 *	session_new(&options, &session, err)     kernel side loaded, ingest thread running
 *	session_attach(session, pid, err)        for each process
 *	session_run(session, for_ns, tick, user) until time is up, a signal comes, the tick says so, or all ended
 *	session_detach(session)                  targets at full speed; what was in the ring is read
 *	session_report(session, &report)         names and words
 *
 * Main thread only. Children are attached to as they appear, libraries as they are loaded.
 */
#ifndef HOLDFAST_SESSION_H
#define HOLDFAST_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "capture/feed/decode.h"
#include "process/target/allocator.h"
#include "report/component.h"
#include "report/report.h"
#include "session/span.h"
#include "verdict/verdict.h"

struct session;

struct session_options {
	uint64_t interval_ns;  /* between ticks */
	uint64_t memory_bytes; /* our own bound */
	uint64_t ring_bytes;
	double budget_percent; /* what the user allows; told in the report */
	bool exact;            /* asked for by the user */
	bool faults, follow;
	bool looks;           /* at the heap, for what is lost */
	bool no_stop;         /* these never stop it */
	uint64_t max_stop_ns; /* nor for longer than this */
	bool lean; /* one of many: small tables in the kernel, which do for one process without its children */
	/*
	 * One that goes on and on: events are fetched more rarely while there are few; our own work keeps to the budget, too:
	 * looks, wherever they run, and ticks, which come up to SESSION_TICKS_MOST times as rarely below SESSION_TICKS_PERCENT.
	 * What it finds comes later by as much.
	 */
	bool patient;
	int turn_fd; /* session/turn.h: looks at heaps, but for the last, take turns with other sessions'; 0: none */
	bool show_content;                  /* command lines in the report */
	const struct allocator_spec *specs; /* borrowed */
	size_t spec_count;
	struct span_rules spans;           /* the same */
	struct component_rules components; /* borrowed, with what they point to; count 0: none */
	const char *tool_version;
	int (*count_runs)(void *user); /* as probe_options.count_runs; NULL: nobody else can */
	void *count_user;
	const struct event_handler *recorder; /* called on the ingest thread; NULL: none */
};

/* Errors: those of probe_new(). */
int session_new(const struct session_options *options, struct session **ret, struct hf_error *err);
void session_free(struct session *session);
DEFINE_CLEANUP(struct session *, session_free);

/* With the children that it has, if they are followed. Errors: those of target_new(), allocator_set_find(), probe_attach(). */
int session_attach(struct session *session, int pid, struct hf_error *err);

enum session_end {
	SESSION_TIME_UP,
	SESSION_SIGNAL,      /* SIGINT, SIGTERM, SIGHUP: stop and report */
	SESSION_ENOUGH,      /* the tick said so */
	SESSION_ALL_ENDED,   /* no process is left */
	SESSION_OVER_BUDGET, /* it cost twice what it may */
};

/* What a tick may look at; borrowed for the call. */
struct session_view {
	uint64_t elapsed_ns;
	const struct verdict *verdict;              /* NULL: too early, or no memory for it */
	uint64_t events, lost_events;               /* since the beginning */
	double allocs_per_second, frees_per_second; /* since the last tick, all processes */
	struct verdict_held held;                   /* by all processes */
	uint64_t unmatched_frees;
	uint64_t rss_bytes; /* of the first process */
	/* By the garbage collector of the first process, if it runs Python or Java (which tells of no objects): since the beginning. */
	bool has_gc;
	uint64_t gc_collections, gc_collected;
	double gc_pause_ms, gc_timed_s; /* 0: its build does not tell of collections */
	double overhead_percent;        /* estimated, of one core, since the last tick */
	int running;                    /* processes */
	bool sees_all;                  /* every call is traced now */
};

/* true: enough. */
typedef bool (*session_tick_fn)(void *user, struct session *session,
				const struct session_view *view);

/* @for_ns 0: without end. *ret_end tells why it returned. 0 or -errno. */
int session_run(struct session *session, uint64_t for_ns, session_tick_fn tick, void *user,
		enum session_end *ret_end);
#define SESSION_TICKS_PERCENT 0.5
#define SESSION_TICKS_MOST    10

/* From the next tick on. */
void session_set_budget(struct session *session, double percent);
/* How it keeps to the budget now, as a line; at a tick. */
void session_plan(const struct session *session, struct strbuf *ret);
/* Descriptor for an own source (a keyboard) while session_run() runs; @fn returns non-zero to end it. */
int session_add_fd(struct session *session, int fd, int (*fn)(void *user, uint32_t events),
		   void *user);

void session_detach(struct session *session);
/* What is to be said, after the report, where it ended like that: 0, or HF_E_BUDGET. */
int session_end_error(const struct session *session, enum session_end end, struct hf_error *err);

/* The sites that hold most now, with names, while the session runs. Caller frees with report_free(). */
int session_snapshot(struct session *session, size_t site_max, struct report **ret);
/*
 * The whole report as it would be now, while the session runs; the largest @site_max sites (0: all) and those with findings. Names are looked up
 * first, so that the ingest thread waits for little more than the copying.
 */
int session_interim_report(struct session *session, size_t site_max, struct report **ret);

/* Between reports: gives back the memory that only the next one needs, which will take as long as the first. */
void session_release(const struct session *session);

/* After session_detach(). */
int session_report(struct session *session, struct report **ret, struct hf_error *err);

/* The first process: for file names and headlines. */
int session_pid(const struct session *session);
const char *session_comm(const struct session *session);

#endif
