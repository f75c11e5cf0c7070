/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed between two reports, also of different builds.
 *
 * Sites are matched by their stack's names: function and module file name (version suffix after
 * ".so" cut), never addresses or lines; frames without a name by module alone. Processes do not
 * matter: sites of all processes with the same names are added up, so a restarted server compares
 * with itself. Rates are outstanding bytes per second of each capture; growth is the second's
 * rate minus the first's. Types of what the heaps hold are matched by name, and blocks also by size; they are compared by what
 * there was at the end. Pure. The result holds pointers into both reports.
 */
#ifndef HOLDFAST_REPORT_DIFF_H
#define HOLDFAST_REPORT_DIFF_H

#include "base/cleanup.h"
#include "report/report.h"

#define REPORT_DIFF_KINDS(X) \
	X(SAME, "same")      \
	X(NEW, "new")        \
	X(GREW, "grew")      \
	X(SHRANK, "shrank")  \
	X(GONE, "gone")

enum diff_kind {
#define X(upper, name) DIFF_##upper,
	REPORT_DIFF_KINDS(X)
#undef X
		DIFF_KIND_COUNT
};

const char *diff_kind_name(enum diff_kind kind);

#define DIFF_TOLERANCE \
	0.05 /* rates that differ by less than this share of the larger are the same ... */
#define DIFF_MIN_BYTES_PER_SECOND 16.0 /* ... and so are those that differ by less than this */

struct diff_side {
	uint64_t outstanding_bytes, outstanding_count, allocs;
	double bytes_per_second; /* outstanding bytes / duration of the capture */
};

struct diff_entry {
	enum diff_kind kind;
	const struct report
		*of; /* whose frames the stack names: the second's where it has the site */
	struct report_stack stack;
	const char *allocator;
	struct diff_side a, b;
	double change_bytes_per_second; /* b - a */
};

#define DIFF_TYPE_MIN_BYTES 4096 /* types that differ by less are the same, too */

struct diff_type_side {
	uint64_t count, bytes;
};

/* Objects of Python, or blocks of the heap: looks must have seen them in both reports. */
struct diff_type {
	enum diff_kind kind;
	bool python;
	const char *type;
	uint64_t size; /* of a block; 0: of Python */
	struct diff_type_side a, b;
	double change_bytes; /* b - a */
};

struct report_diff {
	const struct report *a, *b;
	struct diff_entry *entries; /* largest rise first, largest fall last */
	size_t entry_count;
	struct diff_type *types; /* the same */
	size_t type_count;
	uint64_t count_by_kind[DIFF_KIND_COUNT];
	double total_change_bytes_per_second; /* all entries */
	double worst_rise_bytes_per_second; /* the gate: largest change of one entry, at least 0 */
	double rise_bytes_per_second;       /* the gate for all: sum of the rises */
};

/* -ENOMEM. Free with report_diff_free(); the reports must outlive it. */
int report_diff(const struct report *a, const struct report *b, struct report_diff **ret_diff);
void report_diff_free(struct report_diff *diff);
DEFINE_CLEANUP(struct report_diff *, report_diff_free);

/* Its part of it: fills in types. -ENOMEM. */
int report_diff_types(struct report_diff *diff);

/* For --fail-above: the sum of the rises is above the gate. */
bool report_diff_exceeds(const struct report_diff *diff, double gate_bytes_per_second);

#endif
