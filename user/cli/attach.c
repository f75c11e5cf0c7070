// SPDX-License-Identifier: GPL-2.0-or-later
/* attach: the live view; a line or a JSON object per interval where there is no terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/attach_view.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "report/export/json_out.h"

#define SITES_SHOWN   200
#define SITES_IN_LINE 3

struct attach {
	const struct config *config;
	struct attach_view *view; /* NULL: lines */
	struct hf_error *error;
	bool failed;
};

/* 12:00:01  RSS 4.1 MiB  held 1.2 MiB in 1,200  2.3 k malloc/s  watching +1.0 MiB/min  lost 0  | name 1.0 MiB, ... */
static void add_line(const struct session_view *view, const struct report *report,
		     struct strbuf *out)
{
	strbuf_addf(out, "%6.1f s  RSS ", (double)view->elapsed_ns / 1e9);
	strbuf_add_human_bytes(out, view->rss_bytes);
	strbuf_addf(out, "  held %s", view->held.estimated ? "~" : "");
	strbuf_add_human_bytes(out, view->held.bytes);
	strbuf_addstr(out, " in ");
	strbuf_add_grouped(out, view->held.count);
	strbuf_addf(out, "  %.1f k malloc/s", view->allocs_per_second / 1e3);
	if (view->verdict) {
		strbuf_addf(out, "  %s ", attach_state_name(view, view->verdict->state));
		units_add_rate(out, view->verdict->growth_bytes_per_second);
	}
	if (view->has_gc)
		attach_add_gc(out, "  ", view);
	strbuf_addf(out, "  lost %lu", (unsigned long)view->lost_events);
	for (size_t i = 0; report && i < report->site_count && i < SITES_IN_LINE; i++) {
		strbuf_addstr(out, i ? ", " : "  | ");
		strbuf_add_printable(out, attach_site_name(report, &report->sites[i]),
				     strlen(attach_site_name(report, &report->sites[i])));
		strbuf_addstr(out, report->sites[i].estimated ? " ~" : " ");
		strbuf_add_human_bytes(out, report->sites[i].outstanding_bytes);
	}
	strbuf_addch(out, '\n');
}

static void json_site(struct json_out *json, const struct session_view *view,
		      const struct report *report, const struct report_site *site)
{
	json_out_begin_object(json, NULL);
	json_out_int(json, "pid", site->pid);
	json_out_string(json, "function", attach_site_name(report, site));
	json_out_string(json, "allocator", site->allocator);
	json_out_string(json, "state", attach_state_name(view, site->state));
	json_out_u64(json, "outstanding_bytes", site->outstanding_bytes);
	json_out_u64(json, "outstanding_count", site->outstanding_count);
	json_out_double(json, "growth_bytes_per_second", site->growth_bytes_per_second);
	json_out_end_object(json);
}

/* One object, one line. */
static void add_json(const struct session_view *view, const struct report *report,
		     struct strbuf *out)
{
	struct json_out json;
	struct sink sink;

	sink_init_strbuf(&sink, out);
	json_out_init(&json, &sink, 0);
	json_out_begin_object(&json, NULL);
	json_out_string(&json, "schema", "holdfast.interval/1");
	json_out_double(&json, "time", (double)view->elapsed_ns / 1e9);
	json_out_u64(&json, "rss_bytes", view->rss_bytes);
	json_out_u64(&json, "heap_live_bytes", view->held.bytes);
	json_out_u64(&json, "heap_live_count", view->held.count);
	json_out_bool(&json, "heap_live_estimated", view->held.estimated);
	json_out_double(&json, "allocs_per_second", view->allocs_per_second);
	json_out_double(&json, "frees_per_second", view->frees_per_second);
	json_out_double(&json, "overhead_percent", view->overhead_percent);
	if (view->has_gc) {
		json_out_u64(&json, "gc_collections", view->gc_collections);
		json_out_u64(&json, "gc_collected", view->gc_collected);
		if (view->gc_timed_s > 0)
			json_out_double(&json, "gc_pause_ms", view->gc_pause_ms);
	}
	json_out_u64(&json, "events", view->events);
	json_out_u64(&json, "lost_events", view->lost_events);
	json_out_string(&json, "state",
			attach_state_name(view,
					  view->verdict ? view->verdict->state : VERDICT_WATCHING));
	json_out_double(&json, "growth_bytes_per_second",
			view->verdict ? view->verdict->growth_bytes_per_second : 0);
	json_out_begin_array(&json, "sites");
	for (size_t i = 0; report && i < report->site_count && i < SITES_SHOWN; i++)
		json_site(&json, view, report, &report->sites[i]);
	json_out_end_array(&json);
	json_out_end_object(&json);
	sink_putc(&sink, '\n');
	sink_finish(&sink);
}

static bool on_tick(void *user, struct session *session, const struct session_view *view)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct attach *attach = user;
	struct report *report = NULL;
	const char *goal = attach->config->json ? attach->config->json : "-";

	if (session_snapshot(session, SITES_SHOWN, &report))
		report = NULL;
	if (attach->view) {
		attach_view_update(attach->view, view, report);
		return false;
	}
	if (attach->config->json)
		add_json(view, report, &out);
	else
		add_line(view, report, &out);
	report_free(report);
	/* A reader that went away (head, a closed pipe) ends the watch. */
	attach->failed = output_append(&out, goal, attach->error) < 0;
	return attach->failed;
}

static int on_key(void *user, uint32_t events)
{
	struct attach *attach = user;

	(void)events;
	return attach_view_keys(attach->view);
}

static int open_view(struct attach *attach, struct session *session)
{
	int err;

	if (attach->config->json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return 0;
	err = attach_view_new(&attach->view);
	if (err)
		return err == -ENOTTY ? 0 : err;
	return session_add_fd(session, STDIN_FILENO, on_key, attach);
}

int command_attach(struct config *config, struct hf_error *error)
{
	_cleanup_(setup_done) struct setup setup = {0};
	_cleanup_(session_freep) struct session *session = NULL;
	struct attach attach = {.config = config, .error = error};
	enum session_end end;
	int err = setup_session(config, NULL, &setup, &session, error);

	if (err)
		return err;
	err = open_view(&attach, session);
	if (!err)
		err = session_run(session, config->for_ns, on_tick, &attach, &end);
	session_detach(session);
	attach_view_free(attach.view);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the watch broke off: %s",
				       strerror(-err));
	err = session_end_error(session, end, error);
	return err ? err : attach.failed ? -EIO : EXIT_DONE;
}
