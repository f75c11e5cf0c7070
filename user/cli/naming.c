// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/naming.h"

#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"

#define FRAMES_SAID 24
#define NS_PER_MS   1e6

void naming_init(struct naming *naming)
{
	map64_init(&naming->said, hash_seed_random());
}

void naming_done(struct naming *naming)
{
	map64_done(&naming->said);
}

static bool is_lost(enum verdict_state state, uint64_t lost_count)
{
	return state == VERDICT_LEAKING || state == VERDICT_LOST ||
	       lost_count >= VERDICT_WATCH_LOST;
}

/* Is this the first time? No memory for it: no. */
static bool is_new(struct naming *naming, uint64_t key)
{
	return !map64_get(&naming->said, key, NULL) && !map64_put(&naming->said, key, 1);
}

/* Names cost a look into symbol tables: only where the verdict has something that it had not. */
static bool has_news(struct naming *naming, const struct verdict *verdict)
{
	bool news = false;

	for (size_t i = 0; i < verdict->finding_count; i++) {
		const struct finding *finding = &verdict->findings[i];
		uint64_t key = (uint64_t)finding->process << 32 | finding->site;

		if (finding->site && is_lost(finding->state, finding->lost_count))
			news |= is_new(naming, hash_u64(key, finding->state));
	}
	return news;
}

static void add_stack(struct strbuf *out, const struct report *report, struct report_stack stack)
{
	for (uint32_t i = 0; i < stack.depth && i < FRAMES_SAID; i++) {
		const struct report_frame *frame = &report->frames[stack.frames[i]];
		const char *name = frame->function[0] ? frame->function
						      : report_basename(frame->module);

		strbuf_addstr(out, i ? " < " : "");
		strbuf_add_printable(out, name, strlen(name));
	}
}

static void say(const struct report *report, const struct report_finding *finding, double after_ms)
{
	_cleanup_(strbuf_done) struct strbuf stack = STRBUF_INIT;

	add_stack(&stack, report, finding->stack);
	if (!stack.failed)
		log_info("named after %.0f ms: state=%s lost=%lu stack=%s", after_ms,
			 verdict_state_name(finding->state), (unsigned long)finding->lost_count,
			 stack.buf);
}

void naming_tick(struct naming *naming, struct session *session, const struct session_view *view)
{
	struct report *report = NULL;

	if (!log_enabled(LOG_LEVEL_INFO) || !view->verdict || !has_news(naming, view->verdict))
		return;
	/* The sites with findings come in any case, however few others are asked for. */
	if (session_snapshot(session, 1, &report))
		return;
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct report_finding *finding = &report->findings[i];
		uint64_t id = hash_bytes(finding->id, strlen(finding->id), finding->state + 1);

		if (finding->stack.depth && is_lost(finding->state, finding->lost_count) &&
		    is_new(naming, id))
			say(report, finding, (double)view->elapsed_ns / NS_PER_MS);
	}
	report_free(report);
}
