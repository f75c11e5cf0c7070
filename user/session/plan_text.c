// SPDX-License-Identifier: GPL-2.0-or-later
/* How a session keeps to its budget, in words. */
#include "session/session_internal.h"

/* Where the probes are, as far as the session knows of itself or from its recording. */
static const char *way_name(const struct session *session)
{
	return session->replayed ? session->replayed->way
				 : probe_way_name(probe_way(session->probe));
}

static void add_windows(const struct session *session, struct strbuf *line)
{
	const struct governor_facts *facts = &session->facts;

	strbuf_addf(line, "every call traced %.2g %% of the time, in %lu windows",
		    facts->duty * 100, (unsigned long)facts->windows);
	if (facts->sites_followed)
		strbuf_addf(line, "; %lu rarely made calls followed for good",
			    (unsigned long)facts->sites_followed);
	if (facts->sites_dropped)
		strbuf_addf(line, " (%lu more until they turned hot)",
			    (unsigned long)facts->sites_dropped);
	strbuf_addf(line, ", by %s", way_name(session));
}

static void add_all(const struct session *session, struct strbuf *line)
{
	const struct probe_attached *attached = &session->members.items[0]->attached;

	strbuf_addf(line, "every call traced, %zu functions by %s", attached->functions,
		    way_name(session));
	if (attached->functions > attached->emulated)
		strbuf_addf(line, " (%zu of them at a dear place)",
			    attached->functions - attached->emulated);
}

void plan_text_add(const struct session *session, double percent, struct strbuf *line)
{
	const struct governor_facts *facts = &session->facts;

	if (facts->windows || !facts->exact)
		add_windows(session, line);
	else
		add_all(session, line);
	strbuf_addf(line, "; cost %.*f %% of %s (budget %.2g %%%s)", percent < 1 ? 2 : 1, percent,
		    facts->cores > 1.2 ? "the cores it keeps busy" : "a core",
		    session->options.budget_percent,
		    session->options.exact ? ", not kept: --exact" : "");
}

void session_plan(const struct session *session, struct strbuf *ret)
{
	const struct governor_facts *facts = &session->facts;

	if (facts->exact) {
		plan_text_add(session, facts->last_overhead_percent, ret);
		return;
	}
	strbuf_addf(ret,
		    "too many calls to trace them all: windows of %.0f ms, and rare calls at their "
		    "sites; forecast %.2g %% (budget %.2g %%)",
		    (double)facts->hold_ns / 1e6, facts->forecast_percent,
		    session->options.budget_percent);
}
