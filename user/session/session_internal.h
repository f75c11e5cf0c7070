/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share about a session. */
#ifndef HOLDFAST_SESSION_INTERNAL_H
#define HOLDFAST_SESSION_INTERNAL_H

#include "account/gauge/gauge.h"
#include "base/arena.h"
#include "base/hashmap.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/vec.h"
#include "capture/budget/cost.h"
#include "capture/probe/probe.h"
#include "capture/probe/usage.h"
#include "process/java/perf_data.h"
#include "session/accounts.h"
#include "session/births.h"
#include "session/call_cache.h"
#include "session/governor.h"
#include "session/ingest.h"
#include "session/look.h"
#include "session/look_block.h"
#include "session/pylook.h"
#include "session/python_names.h"
#include "session/resolve.h"
#include "session/session.h"
#include "session/thread_book.h"
#include "session/turn.h"

/* One process of the session, as the main thread sees it. */
struct member {
	struct target *target;
	struct allocator_set allocators;
	struct python_runtime python; /* address 0: no interpreter was found yet */
	bool python_looked_for;       /* in all code that is known */
	struct probe_attached attached;
	struct gauge *gauge;
	struct look look;     /* at its heap */
	struct pylook pylook; /* at its objects of Python */
	struct java_perf_area java_area;
	struct java_perf_data java_first, java_last; /* what its JVM told of itself */
	uint64_t java_first_ns, java_last_ns;        /* when; 0: there is none */
	struct hf_collections pauses;                /* for its garbage, as timed so far */
	uint64_t timed_from_ns,
		timed_until_ns; /* they were from then until then; 0: not at all; they still are */
	struct followed *followed;     /* its calls that are followed for good; NULL: none yet */
	struct watch *watch;           /* its sampled blocks; NULL: none */
	struct watched_blocks watched; /* those that the look under way was asked about */
	bool ended, child;
	uint64_t born_ns; /* of a child that was there at attach: when it began, CLOCK_MONOTONIC; else 0 */
	bool probed;                /* its allocator's functions are */
	uint64_t gap_ns;            /* child: from its first instruction to its probes */
	uint64_t held_before_bytes; /* RSS when we came */
	char *trouble;              /* why it is not probed; NULL: it is */
	uint64_t execed_ns;         /* its allocator may not be mapped yet; 0: no exec was seen */
	unsigned int looks;         /* for an allocator since then */
	VEC(const struct module *) span_modules; /* that were searched for spans' functions */
	bool code_came;                          /* since we looked for allocators */
	bool code_changed;                       /* since it was published */
	uint32_t code_changes;                   /* as of the last tick that read its maps */
	uint64_t late_count,
		late_gap_ns; /* allocators that were mapped after attach; the longest time until their probes */
	uint64_t recorded_ns;       /* time of the newest sample in the recording */
	uint64_t recorded_code;     /* code_block_signature() of the newest code there */
	struct look_book look_book; /* what the recording has told of its looks */
	/* In a replay, instead of the modules of target and allocators: in the recording's arena. */
	const char *replayed_build_id;
	struct report_allocator *replayed_allocators;
	size_t replayed_allocator_count;
	const char *const *replayed_holders; /* of the groups of look.census, in words */
	const struct look_answer *replayed_answers;
	size_t replayed_answer_count;
};

/* Since when it is what it is; 0: it was named, and was there before. */
static inline uint64_t member_since_ns(const struct member *member)
{
	return member->execed_ns ? member->execed_ns
	       : member->child   ? member->target->started_ns
				 : member->born_ns;
}

/* What a replay knows from its recording instead of from the kernel. */
struct replayed {
	struct arena arena;                 /* owns the strings */
	const char *way, *missing, *damage; /* damage: why the end is missing; NULL: it is not */
	struct allocator_spec specs[ALLOCATOR_SPECS_MAX];
	struct span_rule spans[HF_MAX_SPAN_RULES];
	struct name_table *names;
	uint64_t lost_told;    /* losses in the members' books */
	struct strmap modules; /* path and build id -> struct recorded_module *, in the arena */
};

/* What tracing costs, see overhead.c. */
struct overhead {
	double alloc_ns, free_ns;       /* of an event, by the table of costs */
	double factor;                  /* times as much it is with this target */
	double counted_ns, modelled_ns; /* of the calls while runs were counted: sums */
	double counting_ns;             /* what that cost: a sum */
	bool counting;                  /* since */
	struct probe_usage before;
	uint64_t allocs, frees;
	unsigned int ticks;
};

struct session {
	struct session_options options;
	struct module_set *modules;
	struct call_cache calls; /* in them */
	struct probe *probe;
	struct probe_costs costs;
	struct overhead overhead;
	struct accounts *accounts;
	struct thread_book *threads; /* the ingest thread's; NULL: no component is by thread */
	struct ingest *ingest;
	struct governor *governor; /* NULL: every call is traced, whatever it costs */
	struct mailbox *lives;     /* struct life, from ingest */
	struct loop *loop;
	VEC(struct member *) members;
	uint64_t children_missed; /* they ended before anyone could look */
	uint64_t children_left; /* they were there at attach, and could not be attached to, or were too many */
	uint64_t started_ns, started_wall_ns, stopped_ns;
	int timer_fd, signal_fd;
	int busy_fd; /* of a patient one: ingest_options */
	bool detached;
	struct governor_facts
		facts;        /* as of the last tick, or the end; from the recording in a replay */
	bool looks_wait;      /* session_set_looks(): none for now */
	bool scan_only;       /* nothing is traced: its heap is looked at */
	char *scan_broke_off; /* why there were fewer looks than asked for; NULL: there were not */
	/* The run under way. */
	session_tick_fn tick;
	void *tick_user;
	uint64_t run_until_ns;
	enum session_end end;
	/* Since the last tick. */
	uint64_t last_tick_ns, last_allocs, last_frees;
	unsigned int tick_count;
	struct member *looked_at;   /* whose heap is being looked at; NULL: none */
	struct member *pylooked_at; /* whose objects of Python are; NULL: none */
	int turn;                   /* held while one of them is; 0: none */
	/* When the last look ended, and what CPUs had idled until then; 0: there was none. */
	uint64_t unlooked_ns, unlooked_idle_ns;
	double displaced;        /* look_options */
	struct verdict *verdict; /* the newest */
	struct hf_loss loss;
	struct python_watch *python_watch; /* the ingest thread's; NULL: no stacks come */
	struct python_names *python_names;
	struct python_watch_counts python_counts;
	struct births *births;     /* NULL: none are seen */
	bool pauses_given_up;      /* for what it costs to time them */
	struct resolver *resolver; /* made with the first report */
	size_t resolver_targets;   /* members that it knows */
	struct replayed *replayed; /* NULL: live */
};

static inline bool session_is_off(const struct session *session, enum session_part part)
{
	return session->options.off >> part & 1;
}

/* Heaps are looked at now. */
static inline bool session_looks(const struct session *session)
{
	return session->options.looks && !session->looks_wait;
}

/* members.c */
void member_free(struct member *member);
int members_attach(struct session *session, int pid, struct hf_error *err);
int members_running(const struct session *session);
/* The newest with that pid, ended or not; NULL: none. */
struct member *members_newest(const struct session *session, int pid);
/* Takes what the ingest thread told. */
int members_on_life(void *session, uint32_t events);
/* All that waits, once no more comes. */
void members_take_lives(struct session *session);
/* Every tick: maps read anew, gauges read. @full: PSS and USS too. */
void members_refresh(struct session *session, uint64_t now_ns, bool full);

/* pythons.c: code came: is there an interpreter now? */
void pythons_update(struct session *session, struct member *member);
/* After an exec. */
void pythons_forget(struct member *member);
/* What its garbage collector has done so far. */
void pythons_read_collector(const struct member *member, struct sample *ret);
/* pauses.c: how long a process's collections of garbage take, where its interpreter tells of them; what is known last is kept in the member. */
void pauses_start(struct session *session, struct member *member);
void pauses_read(struct session *session, struct member *member);
/* The process ends, or is another program by now. */
void pauses_stop(struct session *session, struct member *member);
/* For so long they were timed; 0: they were not. */
double pauses_timed_s(const struct session *session, const struct member *member);
/* No more of that, in no process. */
void pauses_give_up(struct session *session);
/* The names that were read since the last call. */
void pythons_take(struct session *session);
/* What is not known of frames. */
int pythons_add_notes(const struct session *session, struct report_builder *builder);

/* javas.c: code came: is there a JVM now? */
void javas_update(struct member *member);
/* After an exec. */
void javas_forget(struct member *member);
/* What its garbage collectors have done so far. */
void javas_read(struct member *member, struct sample *ret);
/* The same in words, for the time that it was watched. */
int javas_add_note(const struct member *member, struct report_builder *builder);

/* looks.c: starts the next look if one is due. */
void looks_tick(struct session *session, uint64_t now_ns);
/* The process execed or ended: what was seen does not hold any more. */
void looks_forget(struct session *session, struct member *member);
/* Calls are seen in windows from now on: of what that proves nothing about, no look is taken. */
void looks_go_blind(struct session *session);
/* Waits for the look under way. */
void looks_stop(struct session *session);
/* One last look at each process, with types. */
void looks_end(struct session *session);

/* The share of the time, in percent, that stops for looks of one kind may take of one process. */
double looks_stop_percent(const struct session *session, const struct member *member);
/* The turn that is held goes back, and rests so that work like @work_ns keeps to options.looks_percent. */
void looks_give_turn(struct session *session, uint64_t work_ns);
/* It began before our eyes, and may be over soon: no stop yet. */
bool looks_too_young(const struct session *session, const struct member *member, uint64_t now_ns);

/* pylooks.c: as looks.c, of the objects of Python; a recording has no room for them. Wanted: now, or once looks are switched on. */
bool pylooks_wanted(const struct session *session);
void pylooks_tick(struct session *session, uint64_t now_ns);
void pylooks_stop(struct session *session);
void pylooks_forget(struct session *session, struct member *member);
void pylooks_end(struct session *session);

/* judge.c: runs on whoever owns the accounts. */
struct judge_request {
	const struct session *session;
	uint64_t now_ns;
	struct verdict *verdict;                         /* out */
	uint64_t allocs, frees, unmatched_frees, events; /* out */
	struct verdict_held held;                        /* out */
};

void judge(struct accounts *accounts, void *request);
/* Ends the window of every running account (series_sample()), by what looks have proved so far. */
void judge_sample(const struct accounts *accounts, const struct session *session, uint64_t time_ns);

/* What a count rose by: 0 if it fell, as where it is a sum over processes and one ended. */
static inline uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* overhead.c: an estimate from events, what their hits cost here, and what our programs take with these stacks. */
void overhead_init(struct overhead *overhead, const struct probe_costs *costs);
/* Before the first probe; at each tick, with the totals of events; after the last of them. */
void overhead_start(struct session *session);
void overhead_tick(struct session *session, uint64_t allocs, uint64_t frees);
void overhead_stop(struct session *session, uint64_t allocs, uint64_t frees);
/* Of one core. What counting itself cost is not in it. */
double overhead_percent(const struct overhead *overhead, uint64_t allocs, uint64_t frees,
			uint64_t duration_ns);

/* plan_text.c */
void plan_text_add(const struct session *session, double percent, struct strbuf *line);

/* build.c */
struct build_options {
	size_t site_max; /* 0: all */
	uint64_t now_ns;
	const struct verdict *verdict;
};

/* Makes the resolver, and tells it of new members. */
int build_prepare_resolver(struct session *session);
/* After the ingest thread has ended. */
int build_report(struct session *session, const struct build_options *options, struct report **ret);
/* The same while it runs; the ingest thread waits meanwhile. Names should be known by then: build_snapshot(). */
int build_interim_report(struct session *session, const struct build_options *options,
			 struct report **ret);
/* While it runs: the largest sites, frozen there, named here. */
int build_snapshot(struct session *session, const struct build_options *options,
		   struct report **ret);

#endif
