// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/build_python.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define VERSION_BYTES 32
#define HELD_ENOUGH   0.5  /* of the objects looked at: then it is worth telling */
#define SAMPLES_OFF   0.12 /* twice the error of a share of 64 samples */
#define LINE_ENOUGH   0.3  /* the same: a request may leave several frames, of as many functions */

/* "3.11.2"; "" if not known. */
static const char *write_version(uint32_t version, char text[VERSION_BYTES])
{
	*text = 0;
	if (version)
		snprintf(text, VERSION_BYTES, "%u.%u.%u", version >> 24, version >> 16 & 0xff,
			 version >> 8 & 0xff);
	return text;
}

static const struct pyheap_type *find_type(const struct pyheap_snapshot *snapshot, uint64_t address,
					   const struct map64 *places)
{
	uint64_t place;

	return map64_get(places, address, &place) ? &snapshot->types[place] : NULL;
}

static void set_growth(const struct pyheap_type *before, const struct pyheap_type *now,
		       double seconds, struct report_python_type *row)
{
	/* Another type may have come to the address. */
	bool same = before && !strcmp(before->name, now->name);

	row->growth_known = true;
	row->grown_count = (double)now->count - (same ? (double)before->count : 0);
	row->growth_bytes_per_second =
		((double)now->bytes - (same ? (double)before->bytes : 0)) / seconds;
}

static int fill_types(const struct pylook *look, struct report_python_type *rows)
{
	const struct pyheap_snapshot *first = look->first, *last = look->newest;
	bool grown = first != last && last->time_ns > first->time_ns;
	struct map64 places;
	int err = 0;

	map64_init(&places, hash_seed_random());
	for (size_t i = 0; grown && !err && i < first->type_count; i++)
		if (map64_put(&places, first->types[i].address, i) < 0)
			err = -ENOMEM;
	for (size_t i = 0; !err && i < last->type_count; i++) {
		const struct pyheap_type *t = &last->types[i];

		rows[i] = (struct report_python_type){
			.type = t->name,
			.held_by = t->ways[0].path,
			.held_share = t->ways[0].share,
			.count = t->count,
			.bytes = t->bytes,
			.tracked = t->tracked,
			.unreachable_count = t->unreachable_count,
			.unreachable_bytes = t->unreachable_bytes,
			.overcounted_count = t->overcounted_count,
			.overcounted_bytes = t->overcounted_bytes,
		};
		if (grown)
			set_growth(find_type(first, t->address, &places), t,
				   (double)(last->time_ns - first->time_ns) / NS_PER_S, &rows[i]);
	}
	map64_done(&places);
	return err;
}

static void fill_collector(const struct python_collector *collector, struct report_python *row)
{
	row->collector_known = true;
	row->collector_enabled = collector->enabled;
	for (size_t i = 0; i < PYTHON_GENERATIONS; i++)
		row->generations[i] = (struct report_python_generation){
			.threshold = collector->generations[i].threshold,
			.count = collector->generations[i].count,
			.collections = collector->generations[i].collections,
			.collected = collector->generations[i].collected,
			.uncollectable = collector->generations[i].uncollectable,
		};
}

static void fill_pauses(const struct session *session, const struct member *member,
			struct report_python *row)
{
	row->timed_s = pauses_timed_s(session, member);
	row->pauses = member->pauses.count;
	row->pause_ms = (double)member->pauses.total_ns / NS_PER_MS;
	row->longest_pause_ms = (double)member->pauses.longest_ns / NS_PER_MS;
}

static void fill_objects(const struct pylook *look, struct report_python *row)
{
	const struct pyheap_snapshot *s = look->newest;

	row->objects_known = true;
	row->complete = s->complete;
	row->reason = s->reason;
	row->stop_ms = (double)look->stop_ns_max / NS_PER_MS;
	row->objects = s->objects;
	row->bytes = s->bytes;
	row->tracked = s->tracked;
	row->garbage = s->garbage;
	row->unreachable_count = s->unreachable_count;
	row->unreachable_bytes = s->unreachable_bytes;
	row->overcounted_count = s->overcounted_count;
	row->overcounted_bytes = s->overcounted_bytes;
	row->arenas = s->pools.arenas;
	row->pools = s->pools.pools;
	row->pool_used_bytes = s->pools.used_bytes;
	row->pool_free_bytes = s->pools.free_bytes;
	row->pools_damaged = s->pools.damaged;
}

static int add_member(const struct session *session, const struct member *member,
		      struct report_builder *builder)
{
	const struct pylook *look = &member->pylook;
	char version[VERSION_BYTES];
	struct report_python row = {
		.pid = member->target->key.pid,
		.version = write_version(member->python.version_hex, version),
		.reason = member->python.trouble ? member->python.trouble
			  : look->error          ? pylook_error_text(look->error)
						 : "",
	};
	struct python_collector collector;
	_cleanup_free_ struct report_python_type *types = NULL;
	bool counts = !session_is_off(session, SESSION_COLLECTIONS);
	int err = 0;

	if (counts && look->newest)
		fill_collector(&look->newest->collector, &row);
	else if (counts && !member->ended &&
		 !python_collector_read(row.pid, &member->python, &collector))
		fill_collector(&collector, &row);
	fill_pauses(session, member, &row);
	if (look->newest) {
		types = calloc(look->newest->type_count + 1, sizeof(*types));
		err = types ? fill_types(look, types) : -ENOMEM;
		fill_objects(look, &row);
		row.types = types;
		row.type_count = look->newest->type_count;
	}
	return err ? err : report_builder_add_python(builder, &row);
}

static const struct pyheap_type *type_named(const struct pyheap_snapshot *snapshot,
					    const struct pylook_type *type)
{
	for (size_t i = 0; i < snapshot->type_count; i++)
		if (snapshot->types[i].address == type->address)
			return &snapshot->types[i];
	return NULL;
}

/* Among the first reasons, which are shown. */
static void add_reason(struct evidence reason, struct finding *finding)
{
	uint8_t count = finding->evidence_count;

	if (!count || count == VERDICT_MAX_EVIDENCE)
		return;
	finding->evidence[count] = finding->evidence[1];
	finding->evidence[1] = reason;
	finding->evidence_count = count + 1;
}

/* A finding on its way into the report. */
struct told {
	struct finding finding;
	struct report_frame frame;
	struct report_untraced_input input;
};

/*
 * What holds those of a type that have come since the first look: the way on which most are more, if that is half of them at least, and
 * beyond what samples may be off by. NULL: not known.
 */
static const struct pyheap_way *way_of_growth(const struct pyheap_type *before,
					      const struct pyheap_type *now)
{
	double grown = (double)now->count - (before ? (double)before->count : 0);
	double most = fmax(grown * HELD_ENOUGH, before ? SAMPLES_OFF * (double)now->count : 0);
	const struct pyheap_way *found = NULL;

	for (size_t i = 0; i < PYHEAP_WAYS && now->ways[i].share > 0; i++) {
		double more = now->ways[i].share * (double)now->count;

		for (size_t k = 0; before && k < PYHEAP_WAYS && before->ways[k].share > 0; k++)
			if (!strcmp(before->ways[k].path, now->ways[i].path))
				more -= before->ways[k].share * (double)before->count;
		if (more >= most) {
			most = more;
			found = &now->ways[i];
		}
	}
	return found;
}

/* What holds most of them, or of those that have come. */
static const struct pyheap_way *way_of(const struct pylook *look, const struct pylook_type *type)
{
	const struct pyheap_type *now = type_named(look->newest, type);

	if (!now)
		return NULL;
	if (now->ways[0].share >= HELD_ENOUGH)
		return &now->ways[0];
	return look->first == look->newest ? NULL
					   : way_of_growth(type_named(look->first, type), now);
}

/* Where the block was allocated in which what holds them has grown: after the look another one may have come to its address. */
static const struct stack_trace *trace_of_holder(const struct session *session, int pid,
						 const struct pyheap_snapshot *look,
						 const struct pyheap_way *way)
{
	const struct account *account = accounts_find(session->accounts, pid);
	struct allocation block;

	if (!account || !way || !way->buffer || ledger_find(account->ledger, way->buffer, &block) ||
	    block.time_ns > look->time_ns)
		return NULL;
	return stack_table_at(accounts_stacks(session->accounts),
			      ledger_site(account->ledger, block.site)->stack);
}

/* Where most of them were made, or the line that they belong to themselves. */
static void add_line(const struct session *session, const struct pylook *look,
		     const struct pylook_type *type, struct told *told)
{
	const struct pyheap_type *now = type_named(look->newest, type);
	struct report_untraced_input *input = &told->input;
	struct births_blame blame;

	if (births_blame(session->births, input->pid, type->address, &blame)) {
		input->trace = stack_table_at(accounts_stacks(session->accounts), blame.stack);
		add_reason((struct evidence){EVIDENCE_MADE, (double)blame.stayed_here,
					     (double)blame.stayed},
			   &told->finding);
	} else if (now && now->line_share >= LINE_ENOUGH) {
		told->frame = (struct report_frame){.function = now->function,
						    .file = now->file,
						    .module = "",
						    .build_id = "",
						    .line = now->line,
						    .kind = FRAME_PYTHON};
		input->frame = &told->frame;
		add_reason((struct evidence){EVIDENCE_BELONGS, now->line_share, 0}, &told->finding);
	} else if (now && !told->finding.lost_count) { /* nothing holds what is lost */
		input->trace =
			trace_of_holder(session, input->pid, look->newest, way_of(look, type));
		if (input->trace)
			add_reason((struct evidence){EVIDENCE_FILLED, 0, 0}, &told->finding);
	}
}

/* A type that grows, or of which nothing holds some. */
static int add_finding(const struct session *session, const struct verdict *verdict,
		       const struct finding *finding, struct report_builder *builder)
{
	int pid = verdict->processes[finding->process].pid;
	const struct member *member = members_newest(session, pid);
	const struct pylook_type *type;
	const struct pyheap_type *now;
	const struct pyheap_way *way;
	struct told told = {.finding = *finding,
			    .input = {.pid = pid, .finding = &told.finding, .allocator = "python"}};

	if (!member || finding->object_type > member->pylook.types.count)
		return 0;
	type = member->pylook.types.items[finding->object_type - 1];
	now = type_named(member->pylook.newest, type);
	way = way_of(&member->pylook, type);
	told.input.type = type->name;
	if (now) {
		told.input.outstanding_count = now->count;
		told.input.outstanding_bytes = now->bytes;
		/* What nothing holds has no holder. */
		if (!finding->lost_count && way)
			told.input.held_by = way->path;
	}
	add_line(session, &member->pylook, type, &told);
	return report_builder_add_untraced(builder, &told.input);
}

static int add_findings(const struct session *session, const struct verdict *verdict,
			struct report_builder *builder)
{
	int err = 0;

	for (size_t i = 0; !err && verdict && i < verdict->finding_count; i++)
		if (verdict->findings[i].object_type)
			err = add_finding(session, verdict, &verdict->findings[i], builder);
	return err;
}

int build_python(const struct session *session, const struct verdict *verdict,
		 struct report_builder *builder)
{
	int err = add_findings(session, verdict, builder);

	for (size_t i = 0; !err && i < session->members.count; i++)
		if (session->members.items[i]->python.address)
			err = add_member(session, session->members.items[i], builder);
	return err;
}
