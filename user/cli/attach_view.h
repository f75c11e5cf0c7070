/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live view of attach on a terminal (ncurses). One at a time; main thread. */
#ifndef HOLDFAST_CLI_ATTACH_VIEW_H
#define HOLDFAST_CLI_ATTACH_VIEW_H

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "report/report.h"
#include "session/session.h"

struct attach_view;

/* What a site is called in one word: its first own function, else its module. Borrowed. */
const char *attach_site_name(const struct report *report, const struct report_site *site);

/* What is said of a state by now, see verdict_state_so_far(). */
const char *attach_state_name(const struct session_view *numbers, enum verdict_state state);

/* " gc N (M objects) P % of the time", after @before: what of it is known. */
void attach_add_gc(struct strbuf *line, const char *before, const struct session_view *numbers);

/* Takes the terminal over. -ENOTTY. */
int attach_view_new(struct attach_view **ret);
/* Gives it back as it was. */
void attach_view_free(struct attach_view *view);
DEFINE_CLEANUP(struct attach_view *, attach_view_free);

/* Shows new numbers; takes the report over (NULL: keeps the one before). */
void attach_view_update(struct attach_view *view, const struct session_view *numbers,
			struct report *report);

/* Keys that wait on stdin. true: the user wants to leave. */
bool attach_view_keys(struct attach_view *view);

#endif
