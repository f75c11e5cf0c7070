/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The result, as it is shown and stored: an immutable model of "holdfast.report/1".
 *
 * Made by a report_builder (report/builder.h) or read back from JSON (report/export/export.h).
 * One arena owns all of it: report_free() frees everything, and until then every pointer holds.
 * No string is NULL; no number is NaN or infinite; every frame index is below frame_count. Any
 * thread may read it; nothing is ever changed.
 *
 * Field names are those of the JSON. Bytes of an allocation are those requested. Rates are bytes
 * per second. Times are RFC 3339 text; "" stands for "not known" (ended: "still runs").
 */
#ifndef HOLDFAST_REPORT_H
#define HOLDFAST_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verdict/verdict.h"

#define REPORT_SCHEMA          "holdfast.report/1"
#define REPORT_HISTOGRAM_SLOTS LEDGER_HISTOGRAM_SLOTS
#define REPORT_MIB             1048576.0

#define REPORT_FRAME_KINDS(X) \
	X(NATIVE, "native")   \
	X(INLINED, "inlined") \
	X(PYTHON, "python")   \
	X(KERNEL, "kernel")   \
	X(JIT, "jit")         \
	X(UNKNOWN, "unknown")

enum frame_kind {
#define X(upper, name) FRAME_##upper,
	REPORT_FRAME_KINDS(X)
#undef X
		FRAME_KIND_COUNT
};

const char *frame_kind_name(enum frame_kind kind);
int frame_kind_parse(const char *name, enum frame_kind *ret_kind);

#define REPORT_CAPTURE_MODES(X) \
	X(EXACT, "exact")       \
	X(BUDGET, "budget")     \
	X(SCAN, "scan")

enum capture_mode {
#define X(upper, name) CAPTURE_##upper,
	REPORT_CAPTURE_MODES(X)
#undef X
		CAPTURE_MODE_COUNT
};

const char *capture_mode_name(enum capture_mode mode);
int capture_mode_parse(const char *name, enum capture_mode *ret_mode);

struct report_frame {
	const char *function; /* "" if unknown */
	const char *file;     /* "" if unknown */
	const char *module;   /* path as mapped; "[vdso]", "[jit]", "" */
	const char *build_id; /* hex */
	uint64_t address;     /* in the module, as linked; of the first seen on that line */
	uint32_t line;        /* 0 if unknown */
	enum frame_kind kind;
};

/* Leaf first; indexes into report.frames. Equal stacks of a report share one array. */
struct report_stack {
	const uint32_t *frames;
	uint32_t depth;
};

struct report_text {
	const char *text;
};

struct report_count { /* one member of an object {name: count} */
	const char *name;
	uint64_t count;
};

struct report_allocator {
	const char *name, *module;
	bool probed;
	const char *detail; /* how it was found, what is not seen; ours */
};

struct report_target {
	int pid;
	const char *comm, *exe, *build_id, *start_time, *cmdline, *container;
	const struct report_allocator *allocators;
	size_t allocator_count;
};

struct report_process {
	int pid, parent;
	const char *comm, *start_time, *ended;
	const char *cgroup; /* for the components; "" if unknown. Not in the JSON. */
};

struct report_capture {
	enum capture_mode mode;
	const char *started_at;
	double duration_s, budget_percent, overhead_percent, duty;
	uint64_t windows, scans;
	double stop_ms_max;
	bool lost_known; /* looks at the heap could prove what is lost, in each process that runs */
	const struct report_text *plan; /* lines for people; ours */
	size_t plan_count;
};

struct report_quality {
	uint64_t events, lost_events, stacks, unmatched_frees;
	const struct report_count *lost_by_reason, *stacks_incomplete;
	size_t lost_by_reason_count, stacks_incomplete_count;
	/* Of the allocations: short-lived children have many stacks of their own, and few allocations. */
	double stacks_complete_percent;
	double symbols_percent;
	const struct report_text *notes;
	size_t note_count;
};

struct report_sample {
	double time; /* seconds since started_at */
	uint64_t rss_bytes, vms_bytes, pss_bytes, uss_bytes, swap_bytes, heap_live_bytes;
	uint64_t heap_used_bytes; /* 0: nobody had looked yet */
	uint64_t minor_faults, major_faults;
	uint64_t gc_collections,
		gc_collected; /* by the garbage collector of a runtime so far; ours */
	double gc_pause_ms;   /* that took so long, since we came; 0: nobody took the time */
};

/* Free pieces in a heap of at least so many bytes, and less than twice as many. */
struct report_free {
	uint64_t size, count, bytes;
};

#define REPORT_FREE_SLOTS 48

struct report_memory {
	uint64_t rss_bytes, vms_bytes, pss_bytes, uss_bytes, swap_bytes, heap_live_bytes,
		heap_free_bytes;
	bool heap_live_estimated; /* heap_live_bytes, by what fell into windows; also in (a part of) the series */
	uint64_t heap_used_bytes,
		heap_live_count; /* all, by a look at the heap; 0: nobody looked */
	/* Of the free bytes: what lies at the ends of heaps can be given back; the rest by size. */
	uint64_t heap_free_end_bytes;
	struct report_free heap_free_by_size[REPORT_FREE_SLOTS];
	size_t heap_free_slots;
	double fragmentation_percent;
	uint64_t limit_bytes; /* 0: none */
	const struct report_sample *series;
	size_t series_count;
};

struct report_evidence {
	const char *kind, *text;
	double value, reference; /* verdict.h, VERDICT_EVIDENCE */
};

struct report_verdict {
	enum verdict_state state;
	double confidence, growth_bytes_per_second, growth_low, growth_high, explained_percent;
	double rss_growth_bytes_per_second, limit_eta_s, seconds_to_firm; /* ours */
	bool limit_is_system;                   /* the machine's memory, no cgroup's */
	bool firm;                              /* ours */
	const struct report_evidence *evidence; /* ours */
	size_t evidence_count;
};

struct report_finding {
	const char *id; /* 16 hex digits: same stack and binaries, same id */
	int pid;
	enum verdict_state state;
	double confidence, growth_bytes_per_second, growth_low, growth_high, seconds_to_firm;
	uint64_t outstanding_bytes, outstanding_count, lost_bytes, lost_count;
	bool estimated;  /* outstanding and lost: counted by what fell into windows */
	double oldest_s; /* since the site's first allocation: its oldest block is no older */
	const char *component, *allocator, *type, *held_by, *recommendation;
	const struct report_evidence *evidence;
	size_t evidence_count;
	struct report_stack stack;
};

struct report_site {
	int pid;
	enum verdict_state state;
	struct report_stack stack;
	const char *allocator; /* malloc, new, mmap, brk, or the name of a private one */
	uint64_t allocs, frees, alloc_bytes, temporary_count;
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t peak_bytes;                /* an upper bound where several call sites became one */
	double growth_bytes_per_second;     /* ours */
	bool estimated;                     /* all counts: by what fell into windows */
	double interval_low, interval_high; /* of outstanding_bytes; equal to it if exact */
	/* Trailing zeros cut, at most REPORT_HISTOGRAM_SLOTS; may be NULL where the count is 0. */
	const uint32_t *lifetime_ns_log2, *size_log2;
	uint8_t lifetime_slots, size_slots;
};

struct report_census {
	const char *type, *held_by, *sample;
	uint64_t size, count, bytes, lost_count, lost_bytes;
	bool growth_known; /* by an earlier look */
	double grown_count, growth_bytes_per_second;
};

/* Objects of Python by type; ours. */
struct report_python_type {
	const char *type, *held_by;
	double held_share; /* of the objects looked at, that are held so */
	uint64_t count, bytes, tracked, unreachable_count, unreachable_bytes, overcounted_count,
		overcounted_bytes; /* account/pyheap/pyheap.h */
	bool growth_known;         /* by an earlier look */
	double grown_count, growth_bytes_per_second;
};

struct report_python_generation {
	uint32_t threshold, count;
	uint64_t collections, collected, uncollectable;
};

#define REPORT_PYTHON_GENERATIONS 3

/* A process's interpreter; ours. */
struct report_python {
	int pid;
	const char *version; /* "3.11.2"; "" if unknown */
	const char *
		reason; /* why its objects, or what of them is unreachable, is not known; "" if it is */
	bool collector_known, collector_enabled;
	struct report_python_generation generations[REPORT_PYTHON_GENERATIONS];
	/* Collections that were timed, in timed_s seconds; 0: none were, for its build doesn't tell of them. */
	double timed_s, pause_ms, longest_pause_ms;
	uint64_t pauses;
	bool objects_known, complete; /* complete: what is unreachable is known */
	double stop_ms;
	uint64_t objects, bytes, tracked, garbage, unreachable_count, unreachable_bytes,
		overcounted_count, overcounted_bytes;
	uint64_t arenas, pools, pool_used_bytes, pool_free_bytes, pools_damaged;
	const struct report_python_type *types; /* most bytes first */
	size_t type_count;
};

/* Of all sites: their sum is what these hold; report/component.h. None: no rules were given. */
struct report_component {
	const char *name;
	bool estimated; /* (some of) its bytes are: by what fell into windows */
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t peak_bytes; /* an upper bound: the sum of its sites' peaks; ours, as the count */
	double growth_bytes_per_second;
};

/*
 * What is allocated between the entry of a function and its end, by the argument that names it; a block counts to each span that it
 * was allocated in, of nested ones of one rule to the innermost. Of blocks of allocators, not of the program's own mappings. Ours.
 */
struct report_span {
	const char *span; /* the rule's name */
	const char *
		key; /* text found in the target, printable; "(more)": what came after too many, "(none)": it had no value; "": the rule has none */
	int pid;
	uint64_t outstanding_bytes, outstanding_count, allocs, alloc_bytes, peak_bytes;
	bool estimated; /* by what fell into windows; peak_bytes: seen at least */
};

/* Page faults by stack; ours. */
struct report_fault {
	int pid;
	struct report_stack stack;
	const char *kind; /* anon, file, swap, shmem */
	uint64_t count;
};

struct report {
	const char *tool_name, *tool_version;
	struct report_target target;
	const struct report_process *processes;
	size_t process_count;
	struct report_capture capture;
	struct report_quality quality;
	struct report_memory memory;
	struct report_verdict verdict;
	const struct report_finding *findings; /* worst first */
	size_t finding_count;
	const struct report_site *sites; /* largest outstanding_bytes first */
	size_t site_count;
	const struct report_frame *frames;
	size_t frame_count;
	const struct report_census *census;
	size_t census_count;
	const struct report_python *pythons;
	size_t python_count;
	const struct report_component *components;
	size_t component_count;
	const struct report_span *spans; /* largest outstanding_bytes first */
	size_t span_count;
	const struct report_fault *faults;
	size_t fault_count;
};

void report_free(struct report *report);

/*
 * The first frame (leaf first) that is the user's own: not of libc, libstdc++, an allocator,
 * ld.so or an interpreter's core. Where all are: the first that has a name and is no allocator's, else the first
 * that is none, else 0. stack.depth must be > 0.
 */
uint32_t report_first_own_frame(const struct report *report, struct report_stack stack);
/* Is this a wrapper around a system call that maps memory, and so not the caller that a mapping belongs to? */
bool report_is_mapping_call(const char *function);
/* The file's name without its folders. Borrowed. */
const char *report_basename(const char *path);
/* The process that was named has ended, as far as it was seen. */
bool report_target_ended(const struct report *report);

#endif
