/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a struct report from what a session knows.
 *
 *	report_builder_new(&options, &b);
 *	report_builder_set_target(b, &target); … set_capture, set_quality, set_memory, add_…
 *	report_builder_set_verdict(b, verdict);
 *	report_builder_add_site(b, &site) for every site of every process, in any order
 *	report_builder_finish(b, &report);
 *
 * All set_ and add_ functions copy what they get, arrays and strings inside included (NULL
 * strings become ""). Sites of one process whose resolved stacks are equal and whose allocator is
 * the same become one: same module, function and line; where no line is known same module and
 * address. Their findings become one too. Numbers that are not finite become 0. Functions return
 * 0, -ENOMEM (memory bound included), or -errno of resolve.
 *
 * Cost: linear in the number of frames over all sites. A pc that was met before in the same era is
 * recalled from a table of PC_MEMO_SLOTS; another one costs a call of resolve and, where its strings
 * were seen before, one look-up. Measured figures: README, "What it costs".
 * One thread. The builder keeps `options` and the pointers in it until it is freed.
 */
#ifndef HOLDFAST_REPORT_BUILDER_H
#define HOLDFAST_REPORT_BUILDER_H

#include "account/stack/stack_table.h"
#include "base/cleanup.h"
#include "report/component.h"
#include "report/report.h"

#define REPORT_MAX_INLINED 64 /* frames that one pc may stand for */

/*
 * The frames at trace->pcs[index] of process trace->pid, innermost inlined first, at most
 * REPORT_MAX_INLINED: writes them to @ret_frames and their number (>= 1) to *ret_count. Strings
 * must stay where they are until report_builder_finish().
 */
typedef int (*report_resolve_fn)(void *user, const struct stack_trace *trace, unsigned int index,
				 struct report_frame *ret_frames, size_t *ret_count);

/*
 * A number that two traces of one process share only if equal pcs at equal places (first, or behind
 * it) resolve to equal frames: it changes when code comes or goes. REPORT_NO_ERA: nothing is known,
 * each pc of this trace is resolved by itself.
 */
typedef uint64_t (*report_era_fn)(void *user, const struct stack_trace *trace);

#define REPORT_NO_ERA UINT64_MAX

struct report_builder_options {
	report_resolve_fn resolve;
	report_era_fn era; /* NULL: always REPORT_NO_ERA */
	void *user;
	uint64_t memory_bytes; /* bound of the report; 0: 1 GiB */
	const char *tool_version;
	struct component_rules components; /* count 0: none */
	size_t site_max; /* so many of the largest sites are shown, the others counted to their components; 0: all */
};

/* What of a site is held by blocks of threads that fit the same rules by thread. */
struct report_site_part {
	uint64_t rules; /* component_rules_of_thread() */
	uint64_t outstanding_bytes, outstanding_count;
};

struct report_site_input {
	int pid;
	const struct call_site *site;
	const struct stack_trace *trace; /* NULL or depth 0: no stack */
	const char *allocator;
	const struct site_verdict *verdict; /* NULL: steady */
	const struct finding *finding;      /* NULL: none */
	bool estimated;                     /* the numbers of @site, which is a copy then */
	double interval_low, interval_high; /* of outstanding bytes, if so */
	double age_s;                       /* since the site's first allocation */
	const char *type, *held_by;         /* of the finding; NULL: not known */
	/* What of it such threads hold; the rest is of threads that fit none. What is more than the whole is cut. */
	const struct report_site_part *parts;
	size_t part_count;
};

/* Blocks that were not traced, of one type and size: all that is known of them is their finding. */
struct report_untraced_input {
	int pid;
	const struct finding *finding;
	const char *allocator, *type, *held_by;
	uint64_t outstanding_bytes, outstanding_count;
	const struct stack_trace *trace; /* where most of them were made; NULL: not known, but for: */
	const struct report_frame *frame; /* the line that most of them belong to; NULL: not known */
};

struct report_fault_input {
	int pid;
	const struct stack_trace *trace;
	const char *kind;
	uint64_t count;
};

struct report_builder;

int report_builder_new(const struct report_builder_options *options,
		       struct report_builder **ret_builder);
void report_builder_free(struct report_builder *builder);
DEFINE_CLEANUP(struct report_builder *, report_builder_free);

int report_builder_set_target(struct report_builder *builder, const struct report_target *target);
int report_builder_add_process(struct report_builder *builder,
			       const struct report_process *process);
/* Plan lines in it are copied too; report_builder_add_plan() adds more. */
int report_builder_set_capture(struct report_builder *builder,
			       const struct report_capture *capture);
int report_builder_add_plan(struct report_builder *builder, const char *line);
/*
 * symbols_percent is counted by the builder, whatever is given; zero counts in the two lists are
 * left out.
 */
int report_builder_set_quality(struct report_builder *builder,
			       const struct report_quality *quality);
int report_builder_add_note(struct report_builder *builder, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The last reading, and the series (may be given in @memory too). */
int report_builder_set_memory(struct report_builder *builder, const struct report_memory *memory);
int report_builder_add_sample(struct report_builder *builder, const struct report_sample *sample);
/* The overall verdict; findings come with their sites. */
int report_builder_set_verdict(struct report_builder *builder, const struct verdict *verdict);
/* So many sites more are to come: saves growing step by step. */
int report_builder_reserve(struct report_builder *builder, size_t sites);
int report_builder_add_site(struct report_builder *builder, const struct report_site_input *input);
int report_builder_add_untraced(struct report_builder *builder,
				const struct report_untraced_input *input);
/* In any order; the report has those with most bytes first. */
int report_builder_add_census(struct report_builder *builder, const struct report_census *row);
/* Its types too. */
int report_builder_add_python(struct report_builder *builder, const struct report_python *python);
/* Copied; several of one process, span and key add up. */
int report_builder_add_span(struct report_builder *builder, const struct report_span *span);
int report_builder_add_fault(struct report_builder *builder,
			     const struct report_fault_input *input);

/* The builder is empty afterwards and can only be freed. */
int report_builder_finish(struct report_builder *builder, struct report **ret_report);

#endif
