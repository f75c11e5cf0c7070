// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/build_heap.h"

#include <errno.h>

#include "base/clock.h"
#include "session/type_growth.h"

#define OLD_CENSUS_NS   (2 * NS_PER_S)
#define CENSUS_ROWS_MAX 200 /* those with most bytes; ones with losses always */

bool build_heap_shows(const struct heap_snapshot *snapshot, size_t group)
{
	const struct heap_group *g = &snapshot->groups[group];

	return (group < CENSUS_ROWS_MAX && g->count) || g->lost_count;
}

static int add_row(const struct session *session, const struct member *member, size_t index,
		   const struct type_growth *growth, struct report_builder *builder)
{
	const struct heap_snapshot *snapshot = member->look.census;
	const struct heap_group *group = &snapshot->groups[index];
	const struct heap_type *type = &snapshot->types[group->type];
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT, held_by = STRBUF_INIT,
					     sample = STRBUF_INIT;
	struct report_census row = {
		.size = group->size_bytes,
		.count = group->count,
		.bytes = group->bytes,
		.lost_count = group->lost_count,
		.lost_bytes = group->lost_bytes,
		.growth_known = growth->counts,
	};

	if (growth->counts) {
		row.grown_count = growth->counts[index];
		row.growth_bytes_per_second = growth->bytes[index] / growth->seconds;
	}
	build_heap_type(&name, type->kind, type->name);
	if (session->replayed)
		strbuf_addstr(&held_by, member->replayed_holders[index]);
	else
		build_heap_holder(&held_by, session, snapshot, &group->holder);
	if (session->options.show_content)
		strbuf_add_printable(&sample, group->sample, strlen(group->sample));
	if (name.failed || held_by.failed || sample.failed)
		return -ENOMEM;
	row.type = name.buf;
	row.held_by = held_by.buf;
	row.sample = sample.buf;
	return report_builder_add_census(builder, &row);
}

static int add_census(const struct session *session, const struct member *member,
		      struct report_builder *builder)
{
	const struct heap_snapshot *snapshot = member->look.census;
	struct type_growth growth;
	int err = type_growth_init(member->look.first, snapshot, &growth);

	for (size_t i = 0; !err && snapshot && i < snapshot->group_count; i++)
		if (build_heap_shows(snapshot, i) || (growth.counts && growth.bytes[i] > 0))
			err = add_row(session, member, i, &growth, builder);
	type_growth_done(&growth);
	return err;
}

/* Where the last census has the type of such blocks, and how many there are in all. */
static const struct heap_group *group_of(const struct heap_snapshot *snapshot,
					 const struct lost_entry *entry)
{
	for (size_t i = 0; snapshot && i < snapshot->group_count; i++) {
		const struct heap_group *group = &snapshot->groups[i];

		if (group->size_bytes == entry->size_bytes &&
		    snapshot->types[group->type].kind == entry->kind &&
		    !strcmp(snapshot->types[group->type].name, entry->class_name))
			return group;
	}
	return NULL;
}

static int add_untraced(const struct member *member, const struct finding *finding,
			struct report_builder *builder)
{
	const struct lost_entry *entry =
		&member->look.evidence.entries.items[finding->lost_entry - 1];
	const struct heap_group *group = group_of(member->look.census, entry);
	_cleanup_(strbuf_done) struct strbuf type = STRBUF_INIT;
	struct report_untraced_input input = {
		.pid = member->target->key.pid,
		.finding = finding,
		.allocator = "malloc",
		.outstanding_count = group ? group->count : entry->count,
		.outstanding_bytes = group ? group->bytes : entry->bytes,
	};

	build_heap_type(&type, entry->kind, entry->class_name);
	if (type.failed)
		return -ENOMEM;
	input.type = type.buf;
	return report_builder_add_untraced(builder, &input);
}

static int add_findings(const struct session *session, const struct verdict *verdict,
			struct report_builder *builder)
{
	int err = 0;

	for (size_t i = 0; !err && verdict && i < verdict->finding_count; i++) {
		const struct finding *f = &verdict->findings[i];
		const struct member *member =
			members_newest(session, verdict->processes[f->process].pid);

		if (!f->site && f->lost_entry && member)
			err = add_untraced(member, f, builder);
	}
	return err;
}

/* "heap looked at 21 times (glibc malloc), stopped for 6.34 ms at most" */
static int add_plan(const struct member *member, struct report_builder *builder)
{
	const struct look *look = &member->look;
	const struct heap_snapshot *newest = look->newest;
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	strbuf_addstr(&line, "heap looked at ");
	strbuf_add_times(&line, look->looks);
	strbuf_addf(&line, " (%s), ", heap_live_set_name(newest->live_set));
	if (newest->stopped) {
		strbuf_addstr(&line, "stopped for ");
		clock_add_duration(&line, look->stop_ns_max);
		strbuf_addstr(&line, " at most");
	} else {
		strbuf_addstr(&line, "without a stop");
	}
	return line.failed ? -ENOMEM : report_builder_add_plan(builder, line.buf);
}

/* A server may have had a thousand children. */
static int add_plans(const struct session *session, struct report_builder *builder)
{
	uint64_t processes = 0, looks = 0, stop_ns_max = 0;
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;
	bool told = false;

	for (size_t i = 0; i < session->members.count; i++) {
		const struct member *member = session->members.items[i];
		int err = !told && member->look.newest ? add_plan(member, builder) : 0;

		if (err)
			return err;
		processes += told && member->look.newest;
		looks += told && member->look.newest ? member->look.looks : 0;
		if (told && member->look.stop_ns_max > stop_ns_max)
			stop_ns_max = member->look.stop_ns_max;
		told |= member->look.newest != NULL;
	}
	if (!processes)
		return 0;
	strbuf_addf(&line, "%lu more %s looked at ", (unsigned long)processes,
		    processes == 1 ? "process" : "processes");
	strbuf_add_times(&line, looks);
	strbuf_addstr(&line, ", stopped for ");
	clock_add_duration(&line, stop_ns_max);
	strbuf_addstr(&line, " at most");
	return line.failed ? -ENOMEM : report_builder_add_plan(builder, line.buf);
}

static const char *reason_of(int error)
{
	switch (error) {
	case -EPERM:
		return "it can't be stopped: it is traced already, or not ours to trace";
	case -ETIMEDOUT:
		return "a thread of it can't be stopped";
	case -EAGAIN:
		return "its allocator never stood still";
	case -ECANCELED:
		return "the stop took too long and was given up";
	case -ENOSPC:
		return "it holds more pointers than --memory allows";
	case -ENOTSUP:
		return "its allocator is none whose blocks can be listed, and not all calls were seen";
	case -ENOENT:
		return "its allocator is none whose blocks can be listed";
	default:
		return strerror(-error);
	}
}

static int add_notes(const struct session *session, const struct member *member,
		     struct report_builder *builder)
{
	const struct look *look = &member->look;
	int pid = member->target->key.pid, err = 0;

	if (look->error && look->error != -ESRCH && !look->looks)
		err = report_builder_add_note(
			builder,
			"pid %d: its heap could not be looked at: %s; nothing "
			"can be called lost",
			pid, reason_of(look->error));
	if (!err && look->newest && !look->newest->complete)
		err = report_builder_add_note(builder, "pid %d: nothing can be called lost: %s",
					      pid, look->newest->reason);
	if (!err && look->newest && look->newest->live_set == HEAP_TRACED_ONLY)
		err = report_builder_add_note(
			builder,
			"pid %d: its allocator's blocks can't be listed: only those traced since "
			"attach were looked at",
			pid);
	if (!err && look->newest && !look->newest->stopped)
		err = report_builder_add_note(
			builder,
			session->options.no_stop
				? "pid %d: nothing can be called lost without a stop: what only "
				  "registers hold is not seen"
				: "pid %d: its heap is too large for a stop of --max-stop: it was "
				  "looked at while it ran, which proves less",
			pid);
	if (!err && !session->scan_only && look->census &&
	    session->stopped_ns > look->census->time_ns + OLD_CENSUS_NS)
		err = report_builder_add_note(
			builder, "pid %d: its types are as of %.0f s before the end", pid,
			(double)(session->stopped_ns - look->census->time_ns) / NS_PER_S);
	if (!err && session->scan_only && look->newest && look->newest->complete &&
	    look->newest->stopped && !look_is_proof(look))
		err = report_builder_add_note(
			builder, "pid %d: no second look confirmed what the first one missed", pid);
	return err;
}

int build_heap(struct session *session, const struct verdict *verdict,
	       struct report_builder *builder)
{
	int err = add_findings(session, verdict, builder);

	for (size_t i = 0; !err && i < session->members.count; i++) {
		const struct member *member = session->members.items[i];

		err = add_census(session, member, builder);
		if (!err)
			err = add_notes(session, member, builder);
	}
	if (!err && session->scan_broke_off)
		err = report_builder_add_note(builder, "no further look: %s",
					      session->scan_broke_off);
	return err ? err : add_plans(session, builder);
}

uint64_t build_heap_site(const struct session *session, int pid, site_id site, uint8_t *ret_class)
{
	const struct account *account = accounts_find(session->accounts, pid);
	const struct call_site *found = account && site <= ledger_site_count(account->ledger)
						? ledger_site(account->ledger, site)
						: NULL;
	const struct stack_trace *trace =
		found ? stack_table_at(accounts_stacks(session->accounts), found->stack) : NULL;

	*ret_class = found ? found->class : 0;
	return trace ? trace->hash : 0;
}

static void add_replayed_holder(const struct session *session, const struct member *member,
				site_id site, struct strbuf *held_by)
{
	uint8_t class;
	uint64_t hash = build_heap_site(session, member->target->key.pid, site, &class);

	for (size_t i = 0; i < member->replayed_answer_count; i++)
		if (member->replayed_answers[i].stack_hash == hash &&
		    member->replayed_answers[i].class == class)
			strbuf_addstr(held_by, member->replayed_answers[i].held_by);
}

/* The answer to the question who holds the blocks of that site. */
static void add_holder(const struct session *session, const struct member *member, site_id site,
		       struct strbuf *held_by)
{
	const struct look *look = &member->look;

	if (session->replayed) {
		add_replayed_holder(session, member, site, held_by);
		return;
	}

	for (size_t i = 0; look->census && i < look->asked.count && i < look->census->answer_count;
	     i++)
		if (look->asked.items[i] == site)
			build_heap_holder(held_by, session, look->census,
					  &look->census->answers[i]);
}

void build_heap_finding(const struct session *session, int pid, const struct finding *finding,
			struct strbuf *type, struct strbuf *held_by)
{
	const struct member *member = members_newest(session, pid);
	const struct lost_entry *entry;

	if (!member)
		return;
	/* What is lost is held by nothing. */
	if (!finding->lost_count && finding->site)
		add_holder(session, member, finding->site, held_by);
	if (!finding->lost_entry || finding->lost_entry > member->look.evidence.entries.count)
		return;
	entry = &member->look.evidence.entries.items[finding->lost_entry - 1];
	/* The line says more than "data" would. */
	if (entry->kind == HEAP_CLASS)
		build_heap_type(type, entry->kind, entry->class_name);
}
