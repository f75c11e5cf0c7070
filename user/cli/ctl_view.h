/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `holdfast ctl` shows: objects of the agent's JSON as tables and as lists, by a table of fields. The JSON comes from
 * the network: any member may be missing or of another type ("-" then), and texts are made safe for a terminal.
 *
 * Thread: none of its own. Errors: those of strbuf.h; what there is no memory for is left out.
 */
#ifndef HOLDFAST_CLI_CTL_VIEW_H
#define HOLDFAST_CLI_CTL_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"

struct ctl_view {
	double now_s; /* unix time: ages count from it */
	bool color;
};

enum ctl_kind {
	CTL_TEXT,
	CTL_STATE,   /* the same, coloured by how bad it is */
	CTL_ID,      /* 61240 */
	CTL_COUNT,   /* 61,240 */
	CTL_BYTES,   /* 3.4 MiB */
	CTL_LIMIT,   /* the same; 0 is none */
	CTL_RATE,    /* of bytes per second: +3.98 MiB/min */
	CTL_PERCENT, /* 2.1 % */
	CTL_SECONDS, /* 12 min */
	CTL_AGE,     /* of an RFC 3339 time, or of unix seconds: 12 min */
	CTL_AMOUNT,  /* of an alert: MB, or MB per minute, as the member "unit" says */
	CTL_PLACE,   /* of an array of frames: the first whose line is known */
	CTL_YES,     /* yes or no */
};

struct ctl_field {
	const char *title; /* NULL: the last has been */
	enum ctl_kind kind;
	const char *path; /* members: "store.state" */
};

/* NAN if it is no number. */
double ctl_number(const json_t *object, const char *path);
/* "" if it is no text. */
const char *ctl_text(const json_t *object, const char *path);
/* Unix seconds of "2026-01-02T03:04:05.678Z"; NAN if it is none. */
double ctl_time(const char *text);

void ctl_add_value(struct strbuf *out, const struct ctl_view *view, const json_t *object,
		   const struct ctl_field *field);
/* Columns under their titles, a row for each object of the array. */
void ctl_add_table(struct strbuf *out, const struct ctl_view *view, const json_t *array,
		   const struct ctl_field *fields);
/* One line for each field that is known. */
void ctl_add_list(struct strbuf *out, const struct ctl_view *view, const json_t *object,
		  const struct ctl_field *fields);

/* A new array with the same elements, the largest number first; what has none comes last. NULL: no memory. */
json_t *ctl_largest_first(const json_t *array, const char *path);

#endif
