/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The builder's inside, shared by collect.c (collecting) and finish.c (sorting, naming,
 * advising).
 */
#ifndef HOLDFAST_REPORT_BUILD_H
#define HOLDFAST_REPORT_BUILD_H

#include "report/advice.h"
#include "report/builder.h"
#include "report/store.h"

struct build_histogram {
	uint32_t *slots; /* in the arena */
	uint8_t count;
};

struct build_site {
	int pid;
	uint32_t stack;
	const char *allocator;
	uint64_t allocs, frees, alloc_bytes, outstanding_bytes, outstanding_count, peak_bytes;
	uint64_t temporary_count;
	double growth, interval_low, interval_high, age_s;
	bool estimated;
	struct build_histogram lifetime, size;
	uint8_t state;
	uint32_t finding; /* number in findings + 1; 0: none */
	uint32_t part;    /* likewise in parts: the first */
};

struct build_part {
	struct report_site_part of;
	uint32_t next; /* of the same site; number + 1 */
};

#define NO_SITE UINT32_MAX

struct build_finding {
	uint32_t site; /* NO_SITE: blocks that were not traced */
	int pid;
	struct finding of; /* of the part that grows most, with the worst state of all */
	double growth, below2, above2, oldest_s;
	uint64_t lost_count, lost_bytes;
	const char *type, *held_by;
	const char *component; /* NULL: no rules were given */
	/* Without a site. */
	uint32_t stack;
	const char *allocator;
	uint64_t outstanding_bytes, outstanding_count;
};

struct build_fault {
	int pid;
	uint32_t stack;
	const char *kind;
	uint64_t count;
};

VEC_STRUCT(report_text_vec, struct report_text);
VEC_STRUCT(build_site_vec, struct build_site);
VEC_STRUCT(build_finding_vec, struct build_finding);
VEC_STRUCT(build_fault_vec, struct build_fault);

/*
 * What a pc was last resolved to. Direct-mapped: most stacks end in the same callers, and a pc that
 * is pushed out is resolved again.
 */
#define PC_MEMO_SLOTS  8192u /* power of two */
#define PC_MEMO_FRAMES 5     /* pcs that stand for more are not kept */

struct pc_memo {
	uint64_t pc, era;
	int pid;
	bool leaf;
	uint8_t count; /* 0: free */
	uint32_t frames[PC_MEMO_FRAMES];
};

struct report_builder {
	struct report_builder_options options;
	struct report_store store;
	VEC(struct report_process) processes;
	struct report_text_vec plan, notes;
	VEC(struct report_sample) samples;
	VEC(struct report_census) census;
	VEC(struct report_python) pythons;
	struct build_site_vec sites;
	struct build_finding_vec findings;
	struct build_fault_vec faults;
	VEC(struct build_part) parts;
	VEC(struct report_span) spans;
	VEC(uint32_t) scratch;   /* frames of the stack at hand */
	struct map64 frame_memo; /* hash of the resolver's pointers -> frame */
	struct pc_memo *pc_memo; /* PC_MEMO_SLOTS */
	struct map64 site_by_key, fault_by_key, span_by_key;
};

/* assign.c: once all sites and findings are there. 0 or -ENOMEM. */
int report_assign_components(struct report_builder *b);
double report_finite(double x);
int report_copy_evidence(struct report_builder *b, const struct evidence *in, size_t count,
			 const struct report_evidence **ret);

#endif
