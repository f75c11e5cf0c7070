/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the numbers mean: is it growing, warming up, swinging, or steady, and how sure is that.
 *
 * Pure: one call on frozen inputs gives an immutable result; no fd, clock or thread. Any thread
 * that owns the inputs may call. The result holds no pointer into the inputs. Reasons are data
 * (kind and numbers); the words for people are written by report/.
 *
 * Growth of a site is the Theil-Sen slope of its envelope of minima (least outstanding bytes of
 * each window), accepted as a trend when Mann-Kendall's z is above 1.96 and the slope's 95 %
 * interval lies above 0. The interval is widened to that of the number of blocks (Poisson), which
 * a noise-free line would hide. Only what looks at the heap have proved (lost.h) may be called
 * leaking or lost.
 *
 * Cost: every site is looked at once; at most VERDICT_MAX_FITS of a process, those that rose
 * most, are fitted.
 */
#ifndef HOLDFAST_VERDICT_H
#define HOLDFAST_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/gauge/gauge.h"
#include "account/ledger/ledger.h"
#include "account/ledger/series.h"

/* X(upper, name in reports): best first; the order ranks findings and the overall verdict. */
#define VERDICT_STATES(X)                                                                  \
	X(STEADY, "steady")         /* the envelope is flat */                             \
	X(CYCLIC, "cyclic")         /* it swings, its envelope is flat */                  \
	X(BACKLOG, "backlog")       /* a queue: freed later in one go */                   \
	X(FRAGMENTED, "fragmented") /* RSS up, live bytes flat */                          \
	X(WARMING, "warming")       /* rising, but ever slower */                          \
	X(WATCHING, "watching")     /* rising, too little data to say more */              \
	X(UNTRACED, "untraced")     /* growth that no site explains */                     \
	X(GROWING, "growing")       /* reachable or not known to be lost, no bound seen */ \
	X(LOST, "lost")             /* nothing refers to it any more; not growing */       \
	X(LEAKING, "leaking")       /* lost, and growing */

enum verdict_state {
#define X(upper, name) VERDICT_##upper,
	VERDICT_STATES(X)
#undef X
		VERDICT_STATE_COUNT
};

/* "steady"; "" if out of range. */
const char *verdict_state_name(enum verdict_state state);
/* 0 or -EINVAL. */
int verdict_state_parse(const char *name, enum verdict_state *ret_state);

/*
 * The numbers that the judgement rests on, all in one place.
 * Sources: simulations, then the scenarios (tests/scenarios). What the witnesses of a leak weigh: leak_weights.h.
 */
/* `growing` needs so long: true linear leaks are found then (39 of 40 seeds) */
#define VERDICT_FIRM_GROWTH_S 300.0
/* or so many periods of what swings, whichever takes longer */
#define VERDICT_FIRM_PERIODS 3
/* nothing rises: a leak of one block in 2 s has shown 30 blocks by then */
#define VERDICT_FIRM_STEADY_S 60.0
/* two-sided 95 % */
#define VERDICT_Z 1.96
/* slope of the last third / first third below this: warming */
#define VERDICT_DECELERATION 0.5
/* below this share of the first third the rise is over */
#define VERDICT_FLAT 0.05
/* no deceleration is believed with fewer windows or earlier: `warming` ends a hunt well */
#define VERDICT_WARMING_POINTS 12
#define VERDICT_WARMING_S      30.0
/* a site that holds fewer blocks and rose fewer times is not accused: never alarm on n = 1 */
#define VERDICT_MIN_BLOCKS 8
#define VERDICT_MIN_RISES  3
/*
 * with so few blocks a window's end counts, not its least: realloc takes a block out for a moment
 */
#define VERDICT_FEW_BLOCKS 4
/* survival counts from age max(this, factor x q99 of freed ages) */
#define VERDICT_SURVIVAL_AGE_S      60.0
#define VERDICT_SURVIVAL_Q99_FACTOR 10.0
/* growing: more than this share of the old blocks is never freed */
#define VERDICT_SURVIVAL_SHARE 0.5
/* residual range / rise from which periods are asked for */
#define VERDICT_SWINGING 0.25
/* a rise by less than this share of what is held, in a series that swings, is chance */
#define VERDICT_NOISE 0.2
/* a site that swings so often, and whose floor rises by less than this share of its peak, is flat */
#define VERDICT_FALL_BACKS 1
#define VERDICT_FLOOR      0.1
/* swing / peak from which a flat envelope is called cyclic, and the least peak for that */
#define VERDICT_CYCLIC_SWING      0.5
#define VERDICT_CYCLIC_PEAK_BYTES (64u << 10)
/* RSS must have risen so much before it is missed in the sites */
#define VERDICT_MIN_RSS_BYTES (1u << 20)
/* free memory inside a heap is called fragmentation from this share of the heap on */
#define VERDICT_FRAGMENTED_SHARE 0.05
/* and in the last third still rise by so much of what it did in the first */
#define VERDICT_RSS_OVER 0.2
/* a smaller explained share keeps the overall verdict from being steady */
#define VERDICT_MIN_EXPLAINED_PERCENT 50.0
/* leaking: so many blocks were lost while somebody looked, with a rate whose interval is above 0, */
#define VERDICT_LEAK_BLOCKS 8
/* in so many looks apart, the last of them no longer ago than so many of their distances, */
#define VERDICT_LEAK_LOOKS 3
#define VERDICT_LEAK_PAUSE 3.0
/* and so likely as the weights say */
#define VERDICT_LEAK_CONFIDENCE 0.95
/* nothing is surer: all of the hundred findings on which that was tried were leaks */
#define VERDICT_MOST_CONFIDENCE 0.99
/* the content of so many of them stays as it is */
#define VERDICT_UNCHANGED_SHARE 0.9
/* so many blocks that were called lost and come back: the site hides its pointers */
#define VERDICT_RETURNED_MAX 3
/* fewer fresh losses are not worth watching: one happens to every program */
#define VERDICT_WATCH_LOST 3
/* where so much of what a site holds is lost, all of it may be */
#define VERDICT_MOSTLY_LOST 0.5
/* a leak's rate is firm with such an interval, or after so long */
#define VERDICT_FIRM_RATE   0.10
#define VERDICT_FIRM_LEAK_S 30.0
/* so many looks at the heap tell how it grows as a whole, */
#define VERDICT_MIN_LOOKS 3
/* and if its blocks of the sizes that more than this share of a site's have */
#define VERDICT_SIZE_SHARE 0.1
/* grow by less than this share of the sites' growth, or the heap by less than that of a site's: they took over from blocks
 * of before */
#define VERDICT_HEAP_FLAT 0.1
#define VERDICT_TAKEOVER  0.5
/* growth of thread stacks is told so early: one more stack is one more thread */
#define VERDICT_FIRM_STACKS_S 20.0
/* sites fitted per process */
#define VERDICT_MAX_FITS 512

struct lost_evidence;
struct object_evidence;

/* All may be frozen copies (ledger_copy_sites(), series_copy()); nothing is changed. */
struct verdict_process {
	int pid;
	uint64_t start_ns;           /* since when it is observed; now_ns of the call ends it */
	const struct ledger *ledger; /* NULL: none */
	const struct series *series; /* of that ledger; NULL: nothing can be found to grow */
	const struct gauge *gauge;   /* NULL: none */
	const struct lost_evidence *lost; /* NULL: nobody looked at its heap */
	const struct object_evidence
		*objects; /* of its language's runtime; NULL: nobody looked at them */
	bool ended;       /* what it held, it has given back */
};

/* X(upper, name, what value and reference mean) */
#define VERDICT_EVIDENCE(X)                                                                                     \
	X(TREND, "trend")               /* value: Mann-Kendall z; reference: windows seen */                    \
	X(DECELERATION, "deceleration") /* value: slope of last third / first third */                          \
	X(SURVIVAL,                                                                                             \
	  "survival")         /* value: lower end of the share never freed; reference: age in s */              \
	X(UNFREED, "unfreed") /* value: outstanding blocks; reference: blocks allocated */                      \
	X(DURATION, "duration")       /* value: seconds observed; reference: seconds needed */                  \
	X(PERIODS, "periods")         /* value: periods seen; reference: periods needed */                      \
	X(PERIOD, "period")           /* value: seconds from one rise to the next */                            \
	X(SWING, "swing")             /* value: swing / peak */                                                 \
	X(SHARE, "share")             /* value: percent of the process's RSS growth */                          \
	X(UNEXPLAINED, "unexplained") /* value: bytes/s of RSS growth that no site explains */                  \
	X(UNREACHABLE,                                                                                          \
	  "unreachable") /* value: blocks that nothing refers to; reference: lost since we look */              \
	X(UNCHANGED, "unchanged") /* value: share of them whose content stays as it is */                       \
	X(FOLLOWS, "follows")     /* value: of them, those that only lost blocks refer to */                    \
	X(RETURNED, "returned")   /* value: blocks called lost that came back */                                \
	X(PAUSE, "pause")   /* value: seconds since the last loss; reference: of a leak at most */              \
	X(FREE, "free")     /* value: bytes/s of free memory inside the heap; reference: RSS's */               \
	X(FILES, "files")   /* value: bytes/s of mapped files' pages; reference: RSS's */                       \
	X(SHARED, "shared") /* value: bytes/s of shared memory; reference: RSS's */                             \
	X(LOOKS, "looks")   /* value: looks at the heap */                                                      \
	X(SAMPLED,                                                                                              \
	  "sampled") /* value: lost blocks whose allocation fell into a window; reference: of all sites */      \
	X(OVERCOUNTED,                                                                                          \
	  "overcounted") /* value: objects that nothing holds, though references to them are counted */         \
	X(CIRCLES,                                                                                              \
	  "circles") /* value: objects that only hold each other; reference: 1 if garbage is collected */       \
	X(MADE,                                                                                                 \
	  "made") /* value: objects that stayed of those that were seen being made here; reference: anywhere */ \
	X(FILLED, "filled") /* what holds them has grown here, the last time that this was seen */              \
	X(BELONGS,                                                                                              \
	  "belongs") /* value: the part of the objects looked at that belong to this line */                    \
	X(UNSAMPLED,                                                                                            \
	  "unsampled") /* value: seconds until one of them falls into a window, on average; reference: share of the time in windows */

enum evidence_kind {
#define X(upper, name) EVIDENCE_##upper,
	VERDICT_EVIDENCE(X)
#undef X
		EVIDENCE_KIND_COUNT
};

const char *evidence_kind_name(enum evidence_kind kind);

struct evidence {
	enum evidence_kind kind;
	double value, reference;
};

#define VERDICT_MAX_EVIDENCE 16

struct finding {
	uint32_t process;    /* index into the input */
	site_id site;        /* of its ledger; 0: blocks that were not traced */
	uint32_t lost_entry; /* index into its lost_evidence's entries + 1; 0: none of it is lost */
	uint32_t object_type; /* index into its object_evidence's types + 1; 0: these are no objects, but blocks */
	enum verdict_state state;
	double confidence; /* 0 .. 1: that the state is right */
	double growth_bytes_per_second, growth_low, growth_high; /* 95 % interval */
	double seconds_to_firm; /* how much longer to watch; 0: firm */
	uint64_t lost_count, lost_bytes;
	double oldest_s; /* since the oldest lost block was allocated, or missed first; 0: none is lost */
	uint8_t evidence_count;
	struct evidence evidence[VERDICT_MAX_EVIDENCE];
};

/* Of every site, findings or not. */
struct site_verdict {
	uint8_t state;                  /* enum verdict_state */
	double growth_bytes_per_second; /* 0 where no trend was found */
};

/* Allocated since we attached, and not freed. */
struct verdict_held {
	uint64_t bytes, count;
	uint64_t stack_bytes; /* of these: mapped for stacks of threads, most of which is never touched */
	bool estimated;       /* calls were seen in windows only */
};

struct process_verdict {
	int pid;
	enum verdict_state state;
	double rss_growth_bytes_per_second, rss_growth_low, rss_growth_high;
	double limit_eta_seconds; /* to the cgroup's limit, or the machine's; 0: no limit, or no growth */
	bool limit_is_system;
	double observed_seconds;
	bool ended, rss_rose; /* so much that it has to be explained */
	/* Why RSS grows where no site does, if it is known: FRAGMENTED, UNTRACED, or STEADY, which it is all the same. */
	bool cause_known;
	enum verdict_state cause;
	struct evidence cause_evidence;
	struct verdict_held held;
	struct site_verdict *sites; /* of site id i at i - 1 */
	size_t site_count;
};

struct verdict {
	enum verdict_state state; /* the worst of the processes */
	double confidence;
	double growth_bytes_per_second, growth_low, growth_high; /* sum over the findings */
	/* Sum over the processes that run (over all, where none does), each as if spread over the whole time. */
	double rss_growth_bytes_per_second, rss_growth_low, rss_growth_high;
	double explained_percent; /* of RSS growth, by sites; 100 where RSS does not grow */
	double observed_seconds;  /* of the process observed longest */
	double seconds_to_firm;   /* 0: firm */
	double limit_eta_seconds; /* soonest of the processes; 0: none */
	bool limit_is_system;
	uint8_t evidence_count; /* of the overall verdict */
	struct evidence evidence[VERDICT_MAX_EVIDENCE];
	struct finding *findings; /* what grows, warms or is watched; worst first */
	size_t finding_count;
	struct process_verdict *processes; /* as in the input */
	size_t process_count;
};

/* 0 or -ENOMEM. *ret_verdict: verdict_free(). */
int verdict_judge(const struct verdict_process *processes, size_t process_count, uint64_t now_ns,
		  struct verdict **ret_verdict);
void verdict_free(struct verdict *verdict);

/*
 * What each site of @ledger holds where calls are seen in windows, at most what looks at the heap (NULL: none) have found:
 * by site id - 1; the caller frees it. NULL where every call is seen. 0 or -ENOMEM.
 */
int verdict_estimate(const struct ledger *ledger, const struct lost_evidence *lost,
		     struct ledger_estimate **ret);

/* The sum over its sites; as verdict_estimate(). */
int verdict_held(const struct ledger *ledger, const struct lost_evidence *lost,
		 struct verdict_held *ret);

/*
 * What may be said of @state, the verdict's or that of one of its sites, while the watch goes on:
 * that nothing rose yet is called steady only from when on it is more likely true than not (15 s);
 * before that it is watched.
 */
enum verdict_state verdict_state_so_far(enum verdict_state state, double observed_seconds);

/* Nothing would be gained by watching on: a hunt may end. */
bool verdict_is_firm(const struct verdict *verdict);

#endif
