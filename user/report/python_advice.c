// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/python_advice.h"

#include <string.h>

#include "report/place.h"

void python_advice_add_evidence(struct strbuf *sb, const struct evidence *e)
{
	switch (e->kind) {
	case EVIDENCE_OVERCOUNTED:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb,
			      " objects that nothing in the process refers to, though references "
			      "to them are counted");
		break;
	case EVIDENCE_CIRCLES:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb,
			      " objects that only hold each other, and nobody collects them: gc "
			      "is off");
		break;
	case EVIDENCE_BELONGS:
		strbuf_addf(sb, "%.0f %% of those that were looked at belong to this line",
			    100 * e->value);
		break;
	case EVIDENCE_FILLED:
		strbuf_addstr(sb, "what holds them has grown at this line");
		break;
	case EVIDENCE_MADE:
		strbuf_addstr(sb, "of those that were seen being made ");
		strbuf_add_grouped(sb, (uint64_t)e->reference);
		strbuf_addstr(sb, " stayed, and ");
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb, " of these were made here");
		break;
	default:
		break;
	}
}

/* What the way that leads to objects of Python tells about what keeps them. First match wins. */
static const struct {
	const char *token, *remedy;
} holders[] = {
	{"_lru_cache_wrapper", "it is a cache of functools: give it a bound (maxsize)"},
	{"<traceback>",
	 "a traceback that is kept keeps all variables of its functions: do not store "
	 "exceptions, or clear them (traceback.clear_frames)"},
	{"logging.",
	 "handlers and records are added and not taken out: see where, and remove them"},
	{"<native memory", "an extension keeps them: see what it is asked to keep"},
	{".<closure>.", "a function's own variable collects them: empty it, or give it a bound"},
	{"_callbacks", "callbacks are registered and not taken out again"},
	{"().", "a variable of a function that is still being run collects them"},
	{"[*]",
	 "it is never emptied: take out what is done with, or give it a bound by size or age"},
};

static const char *remedy_of(const char *held_by)
{
	for (size_t i = 0; i < sizeof(holders) / sizeof(*holders); i++)
		if (strstr(held_by, holders[i].token))
			return holders[i].remedy;
	return "see why it keeps them";
}

static bool has_evidence(const struct report_finding *f, enum evidence_kind kind)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence[i].kind, evidence_kind_name(kind)))
			return true;
	return false;
}

static void add_made(struct strbuf *sb, const struct report *report, const struct report_finding *f)
{
	if (!f->stack.depth)
		return;
	strbuf_addstr(sb, has_evidence(f, EVIDENCE_FILLED)    ? ", which grew in "
			  : has_evidence(f, EVIDENCE_BELONGS) ? ", of "
							      : ", made by ");
	report_add_place(
		sb, &report->frames[f->stack.frames[report_first_own_frame(report, f->stack)]]);
}

void python_advice_add_recommendation(struct strbuf *sb, const struct report *report,
				      const struct report_finding *f)
{
	if (has_evidence(f, EVIDENCE_OVERCOUNTED)) {
		strbuf_addstr(sb, "an extension took a reference to them and did not give it back "
				  "(Py_DECREF)");
		add_made(sb, report, f);
		return;
	}
	if (has_evidence(f, EVIDENCE_CIRCLES)) {
		strbuf_addf(sb,
			    "they refer to each other, and gc is off: switch it on (gc.enable()), "
			    "break the circle (weakref), or collect now: `holdfast gc %d`",
			    f->pid);
		add_made(sb, report, f);
		return;
	}
	strbuf_addstr(sb, f->state == VERDICT_WARMING
				  ? "slowing down, as a cache does while it fills; "
				  : "");
	strbuf_add_printable(sb, f->type, strlen(f->type));
	if (*f->held_by) {
		strbuf_addstr(sb, " is kept by ");
		strbuf_add_printable(sb, f->held_by, strlen(f->held_by));
	} else {
		strbuf_addstr(sb, " is kept by several holders");
	}
	add_made(sb, report, f);
	strbuf_addf(sb, ": %s", remedy_of(f->held_by));
}
