// SPDX-License-Identifier: GPL-2.0-or-later
/* hunt: watch until the verdict is firm, print it, write report and flamegraph. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/naming.h"
#include "cli/output.h"
#include "cli/setup.h"

#define NS_PER_S 1e9

struct hunt {
	const struct config *config;
	bool progress;
	bool planned, sees_all; /* the plan was shown, and was so */
	struct naming naming;
};

/* One line on the terminal, written over at each tick. */
static void show_progress(const struct hunt *hunt, const struct session_view *view)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	output_add_progress(&line, hunt->config, view->elapsed_ns);
	strbuf_addf(&line, "  %.1f k malloc/s  ", view->allocs_per_second / 1e3);
	strbuf_addstr(&line, view->held.estimated ? "~" : "");
	strbuf_add_human_bytes(&line, view->held.bytes);
	strbuf_addstr(&line, " held since attach  RSS ");
	strbuf_add_human_bytes(&line, view->rss_bytes);
	if (view->verdict) {
		strbuf_addf(&line, "  %s ",
			    verdict_state_name(verdict_state_so_far(
				    view->verdict->state, (double)view->elapsed_ns / NS_PER_S)));
		units_add_rate(&line, view->verdict->growth_bytes_per_second);
	}
	if (view->lost_events)
		strbuf_addf(&line, "  LOST %lu", (unsigned long)view->lost_events);
	fputs(line.buf, stderr);
	fflush(stderr);
}

/* What it will cost, before it has; again when that changes. */
static void show_plan(struct hunt *hunt, const struct session *session,
		      const struct session_view *view)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	session_plan(session, &line);
	fprintf(stderr, "\r\033[Kplan     %s\n", line.buf);
	hunt->planned = true;
	hunt->sees_all = view->sees_all;
}

static bool on_tick(void *user, struct session *session, const struct session_view *view)
{
	struct hunt *hunt = user;

	if (hunt->progress && (!hunt->planned || hunt->sees_all != view->sees_all))
		show_plan(hunt, session, view);
	if (hunt->progress)
		show_progress(hunt, view);
	naming_tick(&hunt->naming, session, view);
	return view->verdict && verdict_is_firm(view->verdict);
}

/* The states that a user may sleep on, see PRODUCT's table of exit codes. */
static bool is_harmless(enum verdict_state state)
{
	return state == VERDICT_STEADY || state == VERDICT_WARMING || state == VERDICT_CYCLIC ||
	       state == VERDICT_BACKLOG || state == VERDICT_FRAGMENTED;
}

/* One block is lost in many a program; so many are not chance. */
#define LOST_ALARM 8

static bool has_lost(const struct report *report)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < report->finding_count; i++)
		lost += report->findings[i].lost_count;
	return lost >= LOST_ALARM;
}

static int exit_code(const struct config *config, const struct report *report)
{
	enum verdict_state gate;

	if (report->verdict.state == VERDICT_LEAKING || has_lost(report))
		return EXIT_FOUND;
	if (config->fail_on && !verdict_state_parse(config->fail_on, &gate) &&
	    report->verdict.state >= gate)
		return EXIT_FOUND;
	return is_harmless(report->verdict.state) && report->verdict.firm ? EXIT_DONE : EXIT_UNSURE;
}

int command_hunt(struct config *config, struct hf_error *error)
{
	_cleanup_(setup_done) struct setup setup = {0};
	_cleanup_(session_freep) struct session *session = NULL;
	struct hunt hunt = {.config = config, .progress = output_shows_progress(config)};
	struct report *report = NULL;
	enum session_end end;
	int err = setup_session(config, NULL, &setup, &session, error);

	if (err)
		return err;
	naming_init(&hunt.naming);
	err = session_run(session, config->for_ns, on_tick, &hunt, &end);
	naming_done(&hunt.naming);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the watch broke off: %s",
				       strerror(-err));
	if (hunt.progress)
		fputs("\r\033[K", stderr);
	session_detach(session);
	err = session_report(session, &report, error);
	if (err)
		return err;
	err = output_report(config, report, true, error);
	setup_end_command(config, &setup);
	if (!err)
		err = session_end_error(session, end, error);
	if (!err)
		err = exit_code(config, report);
	report_free(report);
	return err;
}
