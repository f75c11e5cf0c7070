// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/build_quality.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"

/* Texts that the builder copies; freed at the end of each function. */
static char *rfc3339(uint64_t wall_ns)
{
	struct strbuf text = STRBUF_INIT;

	if (wall_ns)
		clock_add_rfc3339(&text, wall_ns);
	return strbuf_detach(&text, NULL);
}

static const char *missing(const struct session *session)
{
	return session->scan_only  ? ""
	       : session->replayed ? session->replayed->missing
				   : probe_missing(session->probe);
}

static void fill_allocators(const struct member *member, struct report_allocator *ret)
{
	for (size_t i = 0; i < member->allocators.count; i++) {
		ret[i] = (struct report_allocator){
			.name = member->allocators.allocators[i].name,
			.module = member->allocators.allocators[i].module->path,
			.probed = member->probed,
			.detail = "",
		};
	}
}

static int add_target(const struct session *session, struct report_builder *builder)
{
	const struct member *member = session->members.items[0];
	const struct target *target = member->target;
	_cleanup_free_ char *started = rfc3339(target->start_wall_ns);
	struct report_allocator allocators[ALLOCATOR_MAX];
	char build_id[2 * BUILD_ID_MAX_BYTES + 1] = "";
	struct report_target facts = {
		.pid = target->key.pid,
		.comm = target->comm,
		.exe = target->exe,
		.build_id = build_id,
		.start_time = started,
		.cmdline = session->options.show_content ? target->cmdline : "",
		.container = target->container,
		.allocators = allocators,
		.allocator_count = member->allocators.count,
	};

	if (target->exe_module && target->exe_module->elf)
		build_id_format(elf_file_build_id(target->exe_module->elf), build_id);
	fill_allocators(member, allocators);
	if (session->replayed) {
		facts.build_id = member->replayed_build_id;
		facts.allocators = member->replayed_allocators;
		facts.allocator_count = member->replayed_allocator_count;
	}
	return report_builder_set_target(builder, &facts);
}

static int add_processes(const struct session *session, struct report_builder *builder)
{
	int err = 0;

	for (size_t i = 0; !err && i < session->members.count; i++) {
		const struct target *target = session->members.items[i]->target;
		_cleanup_free_ char *started = rfc3339(target->start_wall_ns);
		_cleanup_free_ char *ended = rfc3339(target->ended_wall_ns);
		struct report_process process = {
			.pid = target->key.pid,
			.parent = target->parent_pid,
			.comm = target->comm,
			.start_time = started,
			.ended = ended,
			.cgroup = target->cgroup,
		};

		err = report_builder_add_process(builder, &process);
	}
	return err;
}

static int add_plan(const struct session *session, double percent, struct report_builder *builder)
{
	const struct member *member = session->members.items[0];
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;
	int err;

	if (session->scan_only)
		return 0;
	plan_text_add(session, percent, &line);
	err = report_builder_add_plan(builder, line.buf);
	strbuf_reset(&line);
	strbuf_add_human_bytes(&line, member->held_before_bytes);
	strbuf_addstr(&line, " were resident before attach; what of it is heap has no stacks");
	return err ? err : report_builder_add_plan(builder, line.buf);
}

/* Of a recording of before, or where nothing kept to a budget: by the model. */
static double overhead(const struct session *session, uint64_t duration_ns)
{
	double counting = duration_ns ? session->overhead.counting_ns / (double)duration_ns * 100
				      : 0;

	if (session->facts.overhead_percent >= 0)
		return session->facts.overhead_percent;
	return overhead_percent(&session->overhead, session->last_allocs, session->last_frees,
				duration_ns) +
	       counting;
}

static int add_capture(const struct session *session, const struct build_options *options,
		       struct report_builder *builder)
{
	_cleanup_free_ char *started = rfc3339(session->started_wall_ns);
	uint64_t duration_ns = options->now_ns - session->started_ns;
	const struct governor_facts *facts = &session->facts;
	struct report_capture capture = {
		.mode = session->scan_only ? CAPTURE_SCAN
			: facts->windows   ? CAPTURE_BUDGET
					   : CAPTURE_EXACT,
		.started_at = started,
		.duration_s = (double)duration_ns / 1e9,
		.budget_percent = session->options.budget_percent,
		.overhead_percent = overhead(session, duration_ns),
		.duty = facts->duty,
		.windows = facts->windows,
		.lost_known = session->members.count,
	};
	int err;

	for (size_t i = 0; i < session->members.count; i++) {
		const struct member *member = session->members.items[i];
		const struct look *look = &member->look;

		capture.lost_known &= member->ended || look_is_proof(look);
		capture.scans += look->looks;
		capture.stop_ms_max = fmax(capture.stop_ms_max, (double)look->stop_ns_max / 1e6);
		capture.stop_ms_max =
			fmax(capture.stop_ms_max, (double)member->pylook.stop_ns_max / 1e6);
	}
	err = report_builder_set_capture(builder, &capture);
	return err ? err : add_plan(session, capture.overhead_percent, builder);
}

/* Losses */

VEC_STRUCT(count_vec, struct report_count);

static int count(struct count_vec *vec, const char *name, uint64_t value)
{
	return value ? vec_push(vec, (struct report_count){name, value}) : 0;
}

/* Sums over all ledgers. */
struct totals {
	uint64_t unmatched, refused, overwritten;
};

static struct totals sum_ledgers(const struct accounts *accounts)
{
	struct totals totals = {0};
	struct ledger_counts counts;

	for (size_t i = 0; i < accounts_count(accounts); i++) {
		ledger_counts(accounts_at(accounts, i)->ledger, &counts);
		totals.unmatched += counts.unmatched_frees;
		totals.refused += counts.refused;
		totals.overwritten += counts.overwritten;
	}
	return totals;
}

/* Calls that were under way at attach, or left by longjmp, are no lost events: notes tell of them. */
static bool is_lost_event(enum hf_loss_reason reason)
{
	return reason != HF_LOSS_RETURN_MISSED && reason != HF_LOSS_ENTRY_MISSED;
}

static int list_losses(const struct session *session, const struct totals *totals,
		       struct count_vec *vec)
{
	static const char *const names[] = {
#define X(name, text) text,
		HF_LOSS_REASONS(X)
#undef X
	};
	int err = count(vec, "no_memory_for_block", totals->refused);

	for (int i = 0; !err && i < HF_LOSS_REASON_COUNT; i++) {
		if (is_lost_event(i))
			err = count(vec, names[i], session->loss.count[i]);
	}
	return err;
}

static int list_incomplete(const struct stack_table_counts *stacks, struct count_vec *vec)
{
	static const char *const names[] = {
#define X(name, text) text,
		HF_STACK_ENDS(X)
#undef X
	};
	int err = count(vec, "frames not received", stacks->unknown);

	for (int i = HF_STACK_COMPLETE + 1; !err && i < HF_STACK_END_COUNT; i++)
		err = count(vec, names[i], stacks->by_end[i]);
	return err;
}

/* The longest time in which probes were being put in: what was handed out then was not seen. */
static uint64_t longest_attach_ns(const struct session *session)
{
	uint64_t longest_ns = 0;

	for (size_t i = 0; i < session->members.count; i++) {
		if (session->members.items[i]->attached.attach_ns > longest_ns)
			longest_ns = session->members.items[i]->attached.attach_ns;
	}
	return longest_ns;
}

static int add_unmatched_note(const struct session *session, uint64_t unmatched,
			      struct report_builder *builder)
{
	uint64_t attach_ns = longest_attach_ns(session);

	if (!attach_ns)
		return report_builder_add_note(builder,
					       "%lu blocks from before attach were freed meanwhile",
					       (unsigned long)unmatched);
	return report_builder_add_note(
		builder, "%lu freed %s from before attach, or from the %.1f ms that it took",
		(unsigned long)unmatched, unmatched == 1 ? "block was" : "blocks were",
		(double)attach_ns / 1e6);
}

static bool has_usdts(const struct session *session)
{
	for (size_t i = 0; i < session->members.count; i++) {
		const struct allocator_set *set = &session->members.items[i]->allocators;

		if (set->function_count && set->functions[0].usdt.used)
			return true;
	}
	return false;
}

static int add_notes(const struct session *session, const struct totals *totals,
		     struct report_builder *builder)
{
	const struct hf_loss *loss = &session->loss;
	int err = 0;

	if (totals->unmatched)
		err = add_unmatched_note(session, totals->unmatched, builder);
	if (!err && totals->overwritten)
		err = report_builder_add_note(
			builder, "%lu blocks came to an address whose free was not seen",
			(unsigned long)totals->overwritten);
	if (!err && loss->count[HF_LOSS_RETURN_MISSED])
		err = report_builder_add_note(builder, "calls left without returning: %lu",
					      (unsigned long)loss->count[HF_LOSS_RETURN_MISSED]);
	if (!err && loss->count[HF_LOSS_ENTRY_MISSED])
		err = report_builder_add_note(
			builder, "%lu calls were under way at attach: their blocks are not seen",
			(unsigned long)loss->count[HF_LOSS_ENTRY_MISSED]);
	if (!err && has_usdts(session))
		err = report_builder_add_note(
			builder,
			"the program tells of its blocks itself (" ALLOCATOR_USDT_NAME
			"): malloc is not traced, and what its sampler passes over is not seen");
	if (!err && missing(session)[0])
		err = report_builder_add_note(builder, "not available here: %s", missing(session));
	if (!err && session->replayed && session->replayed->damage)
		err = report_builder_add_note(builder, "%s", session->replayed->damage);
	return err;
}

static int add_inheritance_notes(const struct session *session, struct report_builder *builder)
{
	int err = 0;

	for (size_t i = 0; !err && i < accounts_count(session->accounts); i++) {
		const struct account *account = accounts_at(session->accounts, i);

		if (account->inheritance_left_out)
			err = report_builder_add_note(
				builder,
				"child %d: what it inherited from process %d is not listed, it was too much",
				account->pid, account->parent_pid);
	}
	return err;
}

#define NOTES_EACH 3 /* of one kind: what is more is summed up */

/* A child that ended before its allocator was there. */
static bool is_missed(const struct member *member)
{
	return member->child && member->ended && !member->probed;
}

static int add_trouble_notes(const struct session *session, struct report_builder *builder)
{
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; !err && i < session->members.count; i++) {
		const struct member *member = session->members.items[i];

		if (member->trouble && !is_missed(member) && ++count <= NOTES_EACH)
			err = report_builder_add_note(builder,
						      "process %d: its allocator is not traced: %s",
						      member->target->key.pid, member->trouble);
	}
	if (!err && count > NOTES_EACH)
		err = report_builder_add_note(builder, "nor are those of %zu more processes traced",
					      count - NOTES_EACH);
	return err;
}

/* What of them went by before their probes were in place. */
static int add_child_notes(const struct session *session, struct report_builder *builder)
{
	uint64_t longest_ns = 0, missed = session->children_missed;
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; !err && i < session->members.count; i++) {
		const struct member *member = session->members.items[i];

		missed += is_missed(member);
		if (!member->child || !member->probed || !member->gap_ns)
			continue;
		if (++count <= NOTES_EACH)
			err = report_builder_add_note(builder,
						      "child %d: its first %.1f ms were not traced",
						      member->target->key.pid,
						      (double)member->gap_ns / 1e6);
		else if (member->gap_ns > longest_ns)
			longest_ns = member->gap_ns;
	}
	if (!err && count > NOTES_EACH)
		err = report_builder_add_note(
			builder, "%zu more %s not traced for up to %.1f ms", count - NOTES_EACH,
			count == NOTES_EACH + 1 ? "child was" : "children were",
			(double)longest_ns / 1e6);
	if (!err && session->children_left)
		err = report_builder_add_note(builder, "%lu %s there at attach, and not looked at",
					      (unsigned long)session->children_left,
					      session->children_left == 1 ? "child was"
									  : "children were");
	if (!err && missed)
		err = report_builder_add_note(
			builder, "%lu %s ended before anything of its allocator was traced",
			(unsigned long)missed, missed == 1 ? "child" : "children each");
	return err;
}

static int add_target_notes(const struct member *member, struct report_builder *builder)
{
	int pid = member->target->key.pid, err = 0;

	if (member->attached.skipped)
		err = report_builder_add_note(
			builder, "process %d: %zu functions of its allocator can't be probed", pid,
			member->attached.skipped);
	if (!err && member->late_count)
		err = report_builder_add_note(
			builder,
			"process %d loaded an allocator after attach: its first %.1f ms were not traced",
			pid, (double)member->late_gap_ns / 1e6);
	if (!err && member->target->forgotten)
		err = report_builder_add_note(
			builder,
			"process %d: %lu mappings of code that was unloaded are forgotten: stacks through it have no names",
			pid, (unsigned long)member->target->forgotten);
	return err;
}

/* What was switched off is not there, rather than nothing. */
static int add_off_note(const struct session *session, struct report_builder *builder)
{
	static const char *const words[] = {
#define X(upper, text) [SESSION_##upper] = text,
		SESSION_PARTS(X)
#undef X
	};
	_cleanup_(strbuf_done) struct strbuf off = STRBUF_INIT;

	for (int i = 0; i < SESSION_PART_COUNT; i++)
		if (session_is_off(session, (enum session_part)i))
			strbuf_addf(&off, "%s%s", off.len ? ", " : "", words[i]);
	if (off.failed)
		return -ENOMEM;
	return off.len ? report_builder_add_note(builder, "switched off: %s", off.buf) : 0;
}

static int add_member_notes(const struct session *session, struct report_builder *builder)
{
	int err = add_off_note(session, builder);

	if (!err)
		err = add_trouble_notes(session, builder);
	if (!err)
		err = add_child_notes(session, builder);
	for (size_t i = 0; !err && i < session->members.count; i++)
		err = add_target_notes(session->members.items[i], builder);
	return err;
}

static bool is_probed(const struct session *session, int pid)
{
	for (size_t i = 0; i < session->members.count; i++) {
		if (session->members.items[i]->target->key.pid == pid &&
		    session->members.items[i]->probed)
			return true;
	}
	return false;
}

/* Of processes whose allocator is traced: of others a note tells. */
static double stacks_complete_percent(const struct session *session)
{
	const struct accounts *accounts = session->accounts;
	const struct stack_table *stacks = accounts_stacks(accounts);
	double allocs = 0, whole = 0;

	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);
		const struct ledger *ledger = account->ledger;

		if (!is_probed(session, account->pid))
			continue;
		for (site_id id = 1; id <= ledger_site_count(ledger); id++) {
			const struct call_site *site = ledger_site(ledger, id);
			const struct stack_trace *trace =
				site->stack ? stack_table_at(stacks, site->stack) : NULL;

			allocs += (double)site->allocs;
			if (trace && trace->end == HF_STACK_COMPLETE)
				whole += (double)site->allocs;
		}
	}
	return allocs > 0 ? 100 * whole / allocs : 100;
}

/* What comes in a burst after that is in no window, or in few: it is told too low. */
static int add_window_note(const struct session *session, struct report_builder *builder)
{
	const struct governor_facts *facts = &session->facts;

	if (!facts->windows_cut)
		return 0;
	return report_builder_add_note(
		builder,
		"%lu of %lu windows were closed early, in bursts of calls that the budget does not bear: estimates of sites with such bursts may be far too low; `--budget %.2g` sees more of them",
		(unsigned long)facts->windows_cut, (unsigned long)facts->windows,
		5 * session->options.budget_percent);
}

static int add_quality(const struct session *session, struct report_builder *builder)
{
	struct count_vec lost = VEC_INIT, incomplete = VEC_INIT;
	struct totals totals = sum_ledgers(session->accounts);
	struct stack_table_counts stacks;
	struct accounts_counts counts;
	struct report_quality quality = {0};
	int err;

	accounts_get_counts(session->accounts, &counts);
	stack_table_counts(accounts_stacks(session->accounts), &stacks);
	err = list_losses(session, &totals, &lost);
	if (!err)
		err = list_incomplete(&stacks, &incomplete);
	for (size_t i = 0; i < lost.count; i++)
		quality.lost_events += lost.items[i].count;
	/* A recording's own notes are no events of the target. */
	quality.events =
		counts.events - counts.by_kind[HF_EVENT_LOSS] - counts.by_kind[HF_EVENT_MARK];
	quality.stacks = stacks.traces;
	quality.unmatched_frees = totals.unmatched;
	quality.lost_by_reason = lost.items;
	quality.lost_by_reason_count = lost.count;
	quality.stacks_incomplete = incomplete.items;
	quality.stacks_incomplete_count = incomplete.count;
	quality.stacks_complete_percent = stacks_complete_percent(session);
	if (!err)
		err = report_builder_set_quality(builder, &quality);
	vec_done(&lost);
	vec_done(&incomplete);
	if (!err)
		err = add_notes(session, &totals, builder);
	if (!err)
		err = add_inheritance_notes(session, builder);
	if (!err)
		err = add_window_note(session, builder);
	if (!err)
		err = pythons_add_notes(session, builder);
	return err ? err : add_member_notes(session, builder);
}

/* Memory */

static const struct sample *newest(const struct gauge *gauge, bool full)
{
	for (size_t i = gauge_count(gauge); i--;) {
		if (!full || gauge_at(gauge, i)->full)
			return gauge_at(gauge, i);
	}
	return NULL;
}

/* By the last look before @time_ns; readings are in order. @at: where the last call ended, 0 at first. */
static uint64_t used_bytes(const struct lost_evidence *looks, uint64_t time_ns, size_t *at)
{
	while (*at < looks->reading_count && looks->readings[*at].time_ns <= time_ns)
		++*at;
	return *at ? looks->readings[*at - 1].live_bytes : 0;
}

static int add_series(const struct session *session, const struct member *member,
		      struct report_builder *builder)
{
	const struct gauge *gauge = member->gauge;
	size_t look = 0;
	uint64_t pss_bytes = 0, uss_bytes = 0, swap_bytes = 0;
	int err = 0;

	for (size_t i = 0; !err && i < gauge_count(gauge); i++) {
		const struct sample *s = gauge_at(gauge, i);

		/* Read less often: the last reading stands until the next. */
		if (s->full) {
			pss_bytes = s->pss_bytes;
			uss_bytes = s->uss_bytes;
			swap_bytes = s->swap_bytes;
		}
		err = report_builder_add_sample(
			builder,
			&(struct report_sample){
				.time = ((double)s->time_ns - (double)session->started_ns) / 1e9,
				.rss_bytes = s->rss_bytes,
				.vms_bytes = s->vms_bytes,
				.pss_bytes = pss_bytes,
				.uss_bytes = uss_bytes,
				.swap_bytes = swap_bytes,
				.heap_live_bytes = s->heap_live_bytes,
				.heap_used_bytes =
					used_bytes(&member->look.evidence, s->time_ns, &look),
				.minor_faults = s->minor_faults,
				.major_faults = s->major_faults,
				.gc_collections = s->gc_collections,
				.gc_collected = s->gc_collected,
				.gc_pause_ms = (double)s->gc_pause_ns / NS_PER_MS,
			});
	}
	return err;
}

static void add_free(const struct heap_snapshot *snapshot, struct report_memory *memory)
{
	memory->heap_free_end_bytes = snapshot->free_end_bytes;
	for (unsigned int i = 0; i < HEAP_SIZE_SLOTS && i < REPORT_FREE_SLOTS; i++)
		if (snapshot->free_count_by_size[i])
			memory->heap_free_by_size[memory->heap_free_slots++] =
				(struct report_free){1ULL << i, snapshot->free_count_by_size[i],
						     snapshot->free_by_size[i]};
}

static int add_memory(const struct session *session, struct report_builder *builder)
{
	const struct gauge *gauge = session->members.items[0]->gauge;
	const struct sample *last = newest(gauge, false), *full = newest(gauge, true);
	const struct look *look = &session->members.items[0]->look;
	struct report_memory memory = {0};
	int err;

	if (last) {
		memory.rss_bytes = last->rss_bytes;
		memory.vms_bytes = last->vms_bytes;
		memory.heap_live_bytes = last->heap_live_bytes;
		memory.heap_live_estimated = last->heap_live_estimated;
		memory.limit_bytes = last->limit_is_system ? 0 : last->limit_bytes;
	}
	if (look->newest) {
		uint64_t live = look->newest->live_bytes, idle = look->newest->free_bytes;

		memory.heap_free_bytes = idle;
		if (live + idle)
			memory.fragmentation_percent = 100.0 * (double)idle / (double)(live + idle);
		if (session->scan_only)
			memory.heap_live_bytes = live;
		memory.heap_used_bytes = live;
		memory.heap_live_count = look->newest->live_count;
		add_free(look->newest, &memory);
	}
	if (full) {
		memory.pss_bytes = full->pss_bytes;
		memory.uss_bytes = full->uss_bytes;
		memory.swap_bytes = full->swap_bytes;
	}
	err = report_builder_set_memory(builder, &memory);
	return err ? err : add_series(session, session->members.items[0], builder);
}

int build_facts(struct session *session, const struct build_options *options,
		struct report_builder *builder)
{
	int err = session->members.count ? add_target(session, builder) : -ESRCH;

	if (!err)
		err = add_processes(session, builder);
	if (!err)
		err = add_capture(session, options, builder);
	if (!err)
		err = add_quality(session, builder);
	return err ? err : add_memory(session, builder);
}
