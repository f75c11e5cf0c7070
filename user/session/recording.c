// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/log.h"
#include "capture/feed/record_writer.h"
#include "session/build_heap.h"
#include "session/code_block.h"
#include "session/record_sample.h"
#include "session/session_internal.h"

#define NAMES_BYTES    (1u << 20) /* a block of names is written when it has grown to this */
#define MAPS_MAX_BYTES (4u << 20)
#define MAPS_TICKS     10 /* the maps are large; they only tell page faults apart */

struct recording {
	struct record_writer *writer;
	struct event_handler handler;
	int err;
	unsigned int ticks;
};

int recording_new(struct recording **ret)
{
	_cleanup_(recording_freep) struct recording *recording = calloc(1, sizeof(*recording));
	int err;

	if (!recording)
		return -ENOMEM;
	err = record_writer_new(&recording->writer);
	if (err)
		return err;
	recording->handler = (struct event_handler){record_writer_event, recording->writer};
	*ret = no_free_ptr(recording);
	return 0;
}

void recording_free(struct recording *recording)
{
	if (!recording)
		return;
	record_writer_free(recording->writer);
	free(recording);
}

const struct event_handler *recording_handler(const struct recording *recording)
{
	return &recording->handler;
}

uint64_t recording_bytes(const struct recording *recording)
{
	return record_writer_bytes(recording->writer);
}

/* META */

/* Names from a target are any bytes; JSON's are UTF-8. */
static json_t *text(const char *bytes)
{
	_cleanup_(strbuf_done) struct strbuf printable = STRBUF_INIT;
	json_t *string = json_string(bytes ? bytes : "");

	if (string)
		return string;
	strbuf_add_printable(&printable, bytes, strlen(bytes));
	return json_string(printable.buf);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *allocators_of(const struct member *member)
{
	json_t *list = json_array();

	for (size_t i = 0; i < member->allocators.count; i++) {
		const struct allocator *allocator = &member->allocators.allocators[i];

		json_array_append_new(list, json_pack("{s:o,s:o}", "name", text(allocator->name),
						      "module", text(allocator->module->path)));
	}
	return list;
}

struct opened_request {
	int pid;
	uint64_t opened_ns;
};

static void read_opened(struct accounts *accounts, void *user)
{
	struct opened_request *request = user;
	const struct account *account = accounts_find(accounts, request->pid);

	if (account)
		request->opened_ns = account->started_ns;
}

static json_t *process_facts(struct session *session, const struct member *member)
{
	const struct target *target = member->target;
	struct opened_request opened = {.pid = target->key.pid};
	char build_id[2 * BUILD_ID_MAX_BYTES + 1] = "";
	json_t *facts = json_object();

	ingest_call(session->ingest, read_opened, &opened);
	if (target->exe_module && target->exe_module->elf)
		build_id_format(elf_file_build_id(target->exe_module->elf), build_id);
	json_object_set_new(facts, "pid", number(target->key.pid));
	json_object_set_new(facts, "parent", number(target->parent_pid));
	json_object_set_new(facts, "comm", text(target->comm));
	json_object_set_new(facts, "exe", text(target->exe));
	json_object_set_new(facts, "build_id", text(build_id));
	if (session->options.show_content)
		json_object_set_new(facts, "cmdline", text(target->cmdline));
	json_object_set_new(facts, "container", text(target->container));
	json_object_set_new(facts, "start_wall_ns", number(target->start_wall_ns));
	json_object_set_new(facts, "ended_wall_ns", number(target->ended_wall_ns));
	json_object_set_new(facts, "child", json_boolean(member->child));
	json_object_set_new(facts, "probed", json_boolean(member->probed));
	json_object_set_new(facts, "opened_ns", number(opened.opened_ns));
	json_object_set_new(facts, "gap_ns", number(member->gap_ns));
	json_object_set_new(facts, "held_before_bytes", number(member->held_before_bytes));
	if (member->trouble)
		json_object_set_new(facts, "trouble", text(member->trouble));
	json_object_set_new(facts, "attach_ns", number(member->attached.attach_ns));
	json_object_set_new(facts, "functions", number(member->attached.functions));
	json_object_set_new(facts, "emulated", number(member->attached.emulated));
	json_object_set_new(facts, "skipped", number(member->attached.skipped));
	json_object_set_new(facts, "late_count", number(member->late_count));
	json_object_set_new(facts, "late_gap_ns", number(member->late_gap_ns));
	json_object_set_new(facts, "look_error", number((uint64_t)-member->look.error));
	json_object_set_new(facts, "allocators", allocators_of(member));
	return facts;
}

/* The private allocators' names, by pair. */
static json_t *custom_names(const struct session_options *options)
{
	json_t *list = json_array();

	for (size_t i = 0; i < options->spec_count; i++) {
		if (options->specs[i].cookie.op != HF_OP_FREE)
			json_array_append_new(list, text(options->specs[i].symbol));
	}
	return list;
}

static json_t *span_names(const struct span_rules *rules)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rules->count && i < HF_MAX_SPAN_RULES; i++)
		json_array_append_new(list, text(rules->rules[i].name));
	return list;
}

static char *meta_text(struct session *session)
{
	const struct session_options *options = &session->options;
	json_t *meta = json_object(), *processes = json_array();
	char *dump;

	json_object_set_new(meta, "tool_version", text(options->tool_version));
	json_object_set_new(meta, "started_ns", number(session->started_ns));
	json_object_set_new(meta, "started_wall_ns", number(session->started_wall_ns));
	json_object_set_new(meta, "stopped_ns", number(session->stopped_ns));
	json_object_set_new(meta, "budget_percent", json_real(options->budget_percent));
	json_object_set_new(meta, "exact", json_boolean(options->exact));
	json_object_set_new(meta, "overhead_percent", json_real(session->facts.overhead_percent));
	json_object_set_new(meta, "duty", json_real(session->facts.duty));
	json_object_set_new(meta, "cores", json_real(session->facts.cores));
	json_object_set_new(meta, "windows", number(session->facts.windows));
	json_object_set_new(meta, "windows_cut", number(session->facts.windows_cut));
	json_object_set_new(meta, "sites_followed", number(session->facts.sites_followed));
	json_object_set_new(meta, "no_stop", json_boolean(options->no_stop));
	json_object_set_new(meta, "follow", json_boolean(options->follow));
	json_object_set_new(meta, "way", text(probe_way_name(probe_way(session->probe))));
	json_object_set_new(meta, "missing", text(probe_missing(session->probe)));
	json_object_set_new(meta, "alloc_cost_ns",
			    json_real(session->overhead.factor * session->overhead.alloc_ns));
	json_object_set_new(meta, "free_cost_ns",
			    json_real(session->overhead.factor * session->overhead.free_ns));
	json_object_set_new(meta, "counting_ns", json_real(session->overhead.counting_ns));
	json_object_set_new(meta, "custom", custom_names(options));
	json_object_set_new(meta, "spans", span_names(&options->spans));
	for (size_t i = 0; i < session->members.count; i++)
		json_array_append_new(processes, process_facts(session, session->members.items[i]));
	json_object_set_new(meta, "processes", processes);
	dump = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
	return dump;
}

/* Readings */

static void note(struct recording *recording, int err)
{
	if (err && !recording->err)
		recording->err = err;
}

/* What the gauges read since the last call. @time_ns 0: no window ends with it. */
static void record_samples(struct recording *recording, struct session *session, uint64_t time_ns)
{
	_cleanup_(strbuf_done) struct strbuf block = STRBUF_INIT;
	struct hf_record_samples head = {.time_ns = time_ns,
					 .flags = time_ns ? HF_RECORD_WINDOW_ENDS : 0};

	strbuf_add(&block, &head, sizeof(head));
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];
		size_t count = gauge_count(member->gauge);
		const struct sample *newest = count ? gauge_at(member->gauge, count - 1) : NULL;
		struct hf_record_sample sample;

		if (!newest || newest->time_ns <= member->recorded_ns)
			continue;
		member->recorded_ns = newest->time_ns;
		sample = record_sample_from(newest);
		sample.process = i;
		sample.pid = member->target->key.pid;
		strbuf_add(&block, &sample, sizeof(sample));
		head.count++;
	}
	if (block.failed) {
		note(recording, -ENOMEM);
		return;
	}
	memcpy(block.buf, &head, sizeof(head));
	note(recording,
	     record_writer_block(recording->writer, HF_RECORD_SAMPLES, block.buf, block.len));
}

static void record_maps(struct recording *recording, const struct session *session)
{
	for (size_t i = 0; session->options.faults && i < session->members.count; i++) {
		struct hf_record_maps head = {session->members.items[i]->target->key.pid, 0};
		_cleanup_(strbuf_done) struct strbuf block = STRBUF_INIT;
		_cleanup_free_ char *maps = NULL;
		char path[32];
		size_t size;

		snprintf(path, sizeof(path), "/proc/%u/maps", head.pid);
		if (session->members.items[i]->ended ||
		    file_read(path, MAPS_MAX_BYTES, &maps, &size))
			continue;
		strbuf_add(&block, &head, sizeof(head));
		if (!strbuf_add(&block, maps, size))
			note(recording, record_writer_block(recording->writer, HF_RECORD_MAPS,
							    block.buf, block.len));
	}
}

/* What addresses mean, as soon as it is known: were we killed, names would be missing otherwise. */
static void record_code(struct recording *recording, const struct session *session)
{
	for (size_t i = 0; i < session->members.count; i++) {
		_cleanup_(strbuf_done) struct strbuf block = STRBUF_INIT;
		struct member *member = session->members.items[i];
		uint64_t signature = code_block_signature(member->target);

		if (signature == member->recorded_code ||
		    code_block_write(member->target, i, &block))
			continue;
		member->recorded_code = signature;
		if (block.len <= HF_RECORD_BLOCK_MAX)
			note(recording, record_writer_block(recording->writer, HF_RECORD_CODE,
							    block.buf, block.len));
	}
}

static void record_losses(struct recording *recording, const struct session *session)
{
	struct hf_event_loss loss = {
		.h = {.kind = HF_EVENT_LOSS, .size_bytes = sizeof(loss), .time_ns = clock_now_ns()},
		.loss = session->loss,
	};

	note(recording, record_writer_event(recording->writer, &loss.h));
}

/* Looks */

/* Who holds what the report will show, in words: the files that name it may not be there later. */
struct holders {
	char **of_groups;
	VEC(struct look_answer) answers;
};

static void holders_done(struct holders *holders, const struct heap_snapshot *snapshot)
{
	for (size_t i = 0; holders->of_groups && i < snapshot->group_count; i++)
		free(holders->of_groups[i]);
	free(holders->of_groups);
	for (size_t i = 0; i < holders->answers.count; i++)
		free((char *)(uintptr_t)holders->answers.items[i].held_by);
	vec_done(&holders->answers);
}

static char *in_words(const struct session *session, const struct heap_snapshot *snapshot,
		      const struct heap_holder *holder)
{
	struct strbuf text = STRBUF_INIT;

	build_heap_holder(&text, session, snapshot, holder);
	return strbuf_detach(&text, NULL);
}

static int add_answers(const struct session *session, const struct look *look,
		       struct holders *holders)
{
	const struct heap_snapshot *snapshot = look->census;
	int err = 0;

	for (size_t i = 0; !err && i < look->asked.count && i < snapshot->answer_count; i++) {
		char *words = in_words(session, snapshot, &snapshot->answers[i]);
		struct look_answer answer = {.held_by = words};

		answer.stack_hash = build_heap_site(session, snapshot->pid, look->asked.items[i],
						    &answer.class);
		err = words ? vec_push(&holders->answers, answer) : -ENOMEM;
		if (err)
			free(words);
	}
	return err;
}

static int find_holders(const struct session *session, const struct look *look,
			struct holders *holders)
{
	const struct heap_snapshot *snapshot = look->census;

	holders->of_groups = calloc(snapshot->group_count + 1, sizeof(*holders->of_groups));
	if (!holders->of_groups)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->group_count; i++)
		if (build_heap_shows(snapshot, i))
			holders->of_groups[i] =
				in_words(session, snapshot, &snapshot->groups[i].holder);
	return add_answers(session, look, holders);
}

static int put_look(void *user, const void *bytes, size_t size)
{
	struct recording *recording = user;

	return record_writer_block(recording->writer, HF_RECORD_LOOK, bytes, size);
}

/* @census: with all types and who holds them, for which the ingest thread must have ended. */
static void record_look(struct recording *recording, struct session *session, size_t index,
			const struct heap_snapshot *snapshot, bool census)
{
	struct member *member = session->members.items[index];
	struct holders holders = {0};
	struct look_told told = {
		.process = (uint32_t)index,
		.look = &member->look,
		.snapshot = snapshot,
		.taken = !census,
		.show_content = session->options.show_content,
	};

	/* Variables' functions are named. */
	if (census)
		note(recording, build_prepare_resolver(session));
	if (census && !recording->err)
		note(recording, find_holders(session, &member->look, &holders));
	told.held_by = (const char *const *)holders.of_groups;
	told.answers = holders.answers.items;
	told.answer_count = holders.answers.count;
	if (!recording->err)
		note(recording, look_block_write(&member->look_book, &told, put_look, recording));
	holders_done(&holders, snapshot);
}

/* Those that joined the evidence since the last call, behind the events that they were joined with; at the end the types. */
static void record_looks(struct recording *recording, struct session *session, bool end)
{
	for (size_t i = 0; !recording->err && i < session->members.count; i++) {
		const struct member *member = session->members.items[i];
		const struct look *look = &member->look;

		if (look->newest && look->joined &&
		    look->newest->time_ns > member->look_book.last_ns)
			record_look(recording, session, i, look->newest, false);
		if (!recording->err && end && look->census)
			record_look(recording, session, i, look->census, true);
	}
}

int recording_begin(struct recording *recording, struct session *session, const char *path)
{
	_cleanup_free_ char *meta = meta_text(session);
	int err = meta ? record_writer_open(recording->writer, path, meta, strlen(meta)) : -ENOMEM;

	if (err)
		return err;
	record_code(recording, session);
	record_maps(recording, session);
	record_samples(recording, session, 0);
	return recording->err;
}

void recording_tick(struct recording *recording, struct session *session)
{
	if (recording->err)
		return;
	if (++recording->ticks % MAPS_TICKS == 0)
		record_maps(recording, session);
	record_code(recording, session);
	record_looks(recording, session, false);
	record_losses(recording, session);
	record_samples(recording, session, session->last_tick_ns);
}

/* Names */

struct naming {
	struct recording *recording;
	struct name_writer writer;
	const struct accounts *accounts;
};

static int write_names(struct naming *naming, size_t above_bytes)
{
	struct strbuf *block = &naming->writer.block;
	int err = block->len > above_bytes
			  ? record_writer_block(naming->recording->writer, HF_RECORD_NAMES,
						block->buf, block->len)
			  : 0;

	if (block->len > above_bytes)
		strbuf_truncate(block, 0);
	return err;
}

static int name_stack(struct naming *naming, stack_id stack, bool leaf_is_pc)
{
	const struct stack_trace *trace = stack_table_at(accounts_stacks(naming->accounts), stack);
	int err = name_writer_add(&naming->writer, trace, leaf_is_pc);

	return err ? err : write_names(naming, NAMES_BYTES);
}

static int name_fault(const struct fault_count *fault, void *user)
{
	return name_stack(user, fault->stack, true);
}

static int name_sites(struct naming *naming, const struct account *account)
{
	int err = 0;

	for (site_id id = 1; !err && id <= ledger_site_count(account->ledger); id++)
		err = name_stack(naming, ledger_site(account->ledger, id)->stack, false);
	return err;
}

static int name_all(struct recording *recording, struct session *session)
{
	struct naming naming = {.recording = recording, .accounts = session->accounts};
	size_t count = accounts_count(session->accounts);
	int err = build_prepare_resolver(session);

	if (err)
		return err;
	name_writer_init(&naming.writer, resolver_frames, session->resolver);
	for (size_t i = 0; !err && i < count; i++)
		err = name_sites(&naming, accounts_at(session->accounts, i));
	resolver_set_leaf_is_pc(session->resolver, true);
	for (size_t i = 0; !err && i < count; i++)
		err = account_for_each_fault(accounts_at(session->accounts, i), name_fault,
					     &naming);
	resolver_set_leaf_is_pc(session->resolver, false);
	if (!err)
		err = write_names(&naming, 0);
	name_writer_done(&naming.writer);
	return err;
}

int recording_finish(struct recording *recording, struct session *session)
{
	_cleanup_free_ char *meta = meta_text(session);

	if (!recording->err) {
		record_looks(recording, session, true);
		record_losses(recording, session);
		record_samples(recording, session, 0);
		note(recording, meta ? record_writer_block(recording->writer, HF_RECORD_META, meta,
							   strlen(meta))
				     : -ENOMEM);
	}
	if (!recording->err)
		note(recording, name_all(recording, session));
	if (!recording->err)
		note(recording, record_writer_close(recording->writer));
	return recording->err;
}
