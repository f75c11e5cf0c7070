/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/advice.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "report/place.h"
#include "report/python_advice.h"

/* What a frame below the user's own tells about the container that grows. First match wins. */
static const struct {
	const char *token, *container, *remedy;
} containers[] = {
	{"unordered_map", "a std::unordered_map", "erase entries or bound its size"},
	{"_Hashtable", "a std::unordered container", "erase entries or bound its size"},
	{"_Rb_tree", "a std::map or std::set", "erase entries or bound its size"},
	{"std::map", "a std::map", "erase entries or bound its size"},
	{"std::deque", "a std::deque", "see whether its consumer keeps up"},
	{"std::list", "a std::list", "erase nodes that are done with"},
	{"_List_node", "a std::list", "erase nodes that are done with"},
	{"std::vector", "a std::vector", "clear or shrink it when its elements are done with"},
	{"basic_string", "a std::string", "see where the string is appended to without end"},
	{"shared_ptr", "objects held by std::shared_ptr", "look for who keeps a copy, or a cycle"},
	{"make_unique", "objects held by std::unique_ptr", "look for the container they move to"},
	{"PyDict_", "a Python dict", "delete keys or bound it"},
	{"PyList_", "a Python list", "clear it or bound it"},
	{"g_hash_table", "a GHashTable", "remove entries or bound its size"},
	{"g_ptr_array", "a GPtrArray", "remove entries or bound its size"},
	{"g_list", "a GList", "remove nodes that are done with"},
	{"dictAdd", "a dict", "delete keys or bound it"},
	{"cache", "a cache", "give it a bound by size or age"},
	{"Cache", "a cache", "give it a bound by size or age"},
	{"queue", "a queue", "see whether its consumer keeps up"},
	{"Queue", "a queue", "see whether its consumer keeps up"},
};

/* Where calls are seen in windows only. */
static void add_window_evidence(struct strbuf *sb, const struct evidence *e)
{
	switch (e->kind) {
	case EVIDENCE_SAMPLED:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb, " of ");
		strbuf_add_grouped(sb, (uint64_t)e->reference);
		strbuf_addstr(sb,
			      " lost blocks of this kind that were seen being allocated came from "
			      "here: the others are told by that proportion");
		break;
	case EVIDENCE_UNSAMPLED:
		strbuf_addf(sb,
			    "calls are seen %.1f %% of the time: one of them falls into that in ",
			    100 * e->reference);
		units_add_about(sb, e->value);
		strbuf_addstr(sb, " on average, and has its line then");
		break;
	default:
		python_advice_add_evidence(sb, e);
		break;
	}
}

/* What looks at the heap have shown. */
static void add_heap_evidence(struct strbuf *sb, const struct evidence *e)
{
	switch (e->kind) {
	case EVIDENCE_UNREACHABLE:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb, " blocks that nothing in the process refers to any more, ");
		strbuf_add_grouped(sb, (uint64_t)e->reference);
		strbuf_addstr(sb, " of them lost while we looked");
		break;
	case EVIDENCE_UNCHANGED:
		strbuf_addf(sb, "the content of %.0f %% of them stays as it is", 100 * e->value);
		break;
	case EVIDENCE_FOLLOWS:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb, " of the lost blocks are referred to by other lost blocks only");
		break;
	case EVIDENCE_RETURNED:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb,
			      " blocks that nothing seemed to refer to were used again: pointers "
			      "to them are hidden, so loss can't be proved here");
		break;
	case EVIDENCE_PAUSE:
		strbuf_addstr(sb, "the last of them was lost ");
		units_add_about(sb, e->value);
		strbuf_addstr(sb, " ago");
		break;
	case EVIDENCE_FREE:
		strbuf_addstr(sb, "free memory inside the heap grows by ");
		units_add_rate(sb, e->value);
		strbuf_addstr(sb, ": holes between blocks that stay");
		break;
	case EVIDENCE_FILES:
		strbuf_addstr(sb, "pages of mapped files grow by ");
		units_add_rate(sb, e->value);
		strbuf_addstr(sb, ": the kernel takes them back when memory is short");
		break;
	case EVIDENCE_SHARED:
		strbuf_addstr(sb, "shared memory grows by ");
		units_add_rate(sb, e->value);
		break;
	case EVIDENCE_LOOKS:
		strbuf_addstr(sb, "the heap was looked at ");
		strbuf_add_times(sb, (uint64_t)e->value);
		break;
	default:
		add_window_evidence(sb, e);
		break;
	}
}

void advice_add_evidence(struct strbuf *sb, const struct evidence *e)
{
	switch (e->kind) {
	case EVIDENCE_TREND:
		strbuf_addf(sb,
			    "what it holds at least rises over %.0f windows (Mann-Kendall z %.1f)",
			    e->reference, e->value);
		break;
	case EVIDENCE_DECELERATION:
		strbuf_addf(sb, "in the last third it rises at %.0f %% of the first third's rate",
			    100 * e->value);
		break;
	case EVIDENCE_SURVIVAL:
		strbuf_addf(sb, "at least %.0f %% of the blocks older than ", 100 * e->value);
		units_add_about(sb, e->reference);
		strbuf_addstr(sb, " were never freed");
		break;
	case EVIDENCE_UNFREED:
		strbuf_add_grouped(sb, (uint64_t)e->value);
		strbuf_addstr(sb, " of ");
		strbuf_add_grouped(sb, (uint64_t)e->reference);
		strbuf_addstr(sb, " blocks allocated since attach are not freed");
		break;
	case EVIDENCE_DURATION:
		strbuf_addstr(sb, "watched for ");
		units_add_about(sb, e->value);
		if (e->value < e->reference) {
			strbuf_addstr(sb, ", a firm word needs ");
			units_add_about(sb, e->reference);
		}
		break;
	case EVIDENCE_PERIODS:
		strbuf_addf(sb, "it swings: %.0f periods seen, %.0f needed", e->value,
			    e->reference);
		break;
	case EVIDENCE_PERIOD:
		strbuf_addstr(sb, "it swings with a period of about ");
		units_add_about(sb, e->value);
		break;
	case EVIDENCE_SWING:
		strbuf_addf(sb, "it swings by %.0f %% of its peak", 100 * e->value);
		break;
	case EVIDENCE_SHARE:
		strbuf_addf(sb, "%.0f %% of the process's RSS growth", e->value);
		break;
	case EVIDENCE_UNEXPLAINED:
		strbuf_addstr(sb, "RSS grows by ");
		units_add_rate(sb, e->value);
		strbuf_addstr(sb, " that no traced site explains");
		break;
	default:
		add_heap_evidence(sb, e);
		break;
	}
}

static size_t find_container(const struct report *report, struct report_stack stack, uint32_t own)
{
	for (uint32_t i = 0; i <= own && i < stack.depth; i++) {
		const char *function = report->frames[stack.frames[i]].function;

		for (size_t c = 0; c < sizeof(containers) / sizeof(*containers); c++)
			if (strstr(function, containers[c].token))
				return c + 1;
	}
	return 0;
}

static void add_what(struct strbuf *sb, const struct report *report, const struct report_finding *f,
		     uint64_t alloc_count)
{
	uint32_t own = report_first_own_frame(report, f->stack);
	size_t container = find_container(report, f->stack, own);
	uint64_t each = f->outstanding_count ? f->outstanding_bytes / f->outstanding_count : 0;

	if (!f->stack.depth) {
		strbuf_addstr(sb, "no stack is known for it: see QUALITY for why");
		return;
	}
	if (!strcmp(f->allocator, "mmap"))
		strbuf_addstr(sb, "mappings are made and not unmapped by ");
	else if (!strcmp(f->allocator, "stack"))
		strbuf_addstr(sb, "threads are started and their stacks not let go by ");
	else if (!strcmp(f->allocator, "brk"))
		strbuf_addstr(sb, "the program break is moved up and not back by ");
	else if (f->outstanding_count <= 4 && alloc_count > 2 * f->outstanding_count)
		strbuf_addstr(sb, "one buffer is made ever larger by ");
	else if (container)
		strbuf_addf(sb, "%s grows, filled by ", containers[container - 1].container);
	else
		strbuf_addf(sb, "blocks of about %" PRIu64 " B are kept by ", each);
	report_add_place(sb, &report->frames[f->stack.frames[own]]);
	if (*f->held_by) {
		strbuf_addstr(sb, ", held by ");
		strbuf_add_printable(sb, f->held_by, strlen(f->held_by));
	}
	strbuf_addstr(sb, ": ");
	if (!strcmp(f->allocator, "mmap"))
		strbuf_addstr(sb, "look for the munmap that should follow");
	else if (!strcmp(f->allocator, "stack"))
		strbuf_addstr(sb, "join them or detach them when they end, or bound their number");
	else if (!strcmp(f->allocator, "brk"))
		strbuf_addstr(sb, "look for what the space is used for");
	else if (f->outstanding_count <= 4 && alloc_count > 2 * f->outstanding_count)
		strbuf_addstr(sb, "give it a bound, or start it anew when its content is used");
	else if (container)
		strbuf_addstr(sb, containers[container - 1].remedy);
	else
		strbuf_addstr(sb, *f->held_by
					  ? "look for the path that should take them out again, "
					    "or give it a bound"
					  : "look for where it stores them, and for the path that "
					    "should free them or a bound that is missing");
}

/* Nothing in the process refers to them any more: what is to be done does not depend on who held them. */
static void add_lost(struct strbuf *sb, const struct report *report, const struct report_finding *f)
{
	const struct report_frame *own;

	if (!f->stack.depth) {
		strbuf_addstr(
			sb,
			report->capture.windows
				? "no path frees them; their allocation was not seen, so "
				  "they have a type but no stack: "
				: "no path frees them; they were allocated before we looked, so "
				  "they have a type but no stack: ");
		if (report->capture.mode == CAPTURE_SCAN && !report_target_ended(report))
			strbuf_addf(sb, "`holdfast hunt %d` traces those to come", f->pid);
		else
			strbuf_addstr(sb, f->state == VERDICT_LOST
						  ? "watch when it happens again"
						  : "watch longer, and new ones will have one");
		return;
	}
	own = &report->frames[f->stack.frames[report_first_own_frame(report, f->stack)]];
	if (!strcmp(f->allocator, "mmap")) {
		strbuf_addstr(sb,
			      "no path unmaps them: look for a missing munmap on the way out of ");
		report_add_place(sb, own);
		return;
	}
	strbuf_addstr(sb, f->state != VERDICT_LOST || f->growth_bytes_per_second > 0
				  ? "no path frees them: look for a missing free "
				  : "they were lost once: look for a missing free ");
	strbuf_addstr(sb, "on the way out of ");
	report_add_place(sb, own);
	strbuf_addstr(sb, ", or where the last pointer to them is overwritten");
}

static void add_too_short(struct strbuf *sb, const struct report *report,
			  const struct report_finding *f)
{
	if (f->state != VERDICT_WATCHING || f->seconds_to_firm <= 0 || report_target_ended(report))
		return;
	strbuf_addstr(sb, "; too short to be sure, watch ");
	units_add_about(sb, f->seconds_to_firm);
	strbuf_addstr(sb, " more");
}

void advice_add_recommendation(struct strbuf *sb, const struct report *report,
			       const struct report_finding *f, uint64_t alloc_count)
{
	if (!strcmp(f->allocator, "python")) {
		python_advice_add_recommendation(sb, report, f);
		add_too_short(sb, report, f);
		return;
	}
	if (f->state == VERDICT_LEAKING || f->state == VERDICT_LOST ||
	    (!f->stack.depth && f->lost_count)) {
		add_lost(sb, report, f);
		return;
	}
	if (f->state == VERDICT_WARMING) {
		strbuf_addstr(sb, "slowing down, as a cache does while it fills: watch longer, and "
				  "see that it stops");
		if (f->stack.depth) {
			uint32_t own = report_first_own_frame(report, f->stack);

			strbuf_addstr(sb, "; filled by ");
			report_add_place(sb, &report->frames[f->stack.frames[own]]);
		}
		return;
	}
	add_what(sb, report, f, alloc_count);
	add_too_short(sb, report, f);
}
