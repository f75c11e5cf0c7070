// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/replay_meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <holdfast/limits.h>

#define GAUGE_SAMPLES 1024
#define TEXT_MAX      4096
#define ERROR_MAX     4095 /* of errno; a mask */

/* Fields: what is missing or of another type is 0, false or "". */

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static bool flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static int keep_text(struct session *session, const char *value, const char **ret)
{
	const char *copy =
		arena_strndup(&session->replayed->arena, value, strnlen(value, TEXT_MAX));

	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* For what its owner frees. */
static int replace_text(const char *value, char **field)
{
	size_t size = strnlen(value, TEXT_MAX);
	char *copy = calloc(1, size + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, value, size);
	free(*field);
	*field = copy;
	return 0;
}

static int new_member(struct session *session, int pid, struct member **ret)
{
	struct member *member = calloc(1, sizeof(*member));
	struct target *target = calloc(1, sizeof(*target));
	int err = member && target ? gauge_new(GAUGE_SAMPLES, &member->gauge) : -ENOMEM;

	if (member) {
		member->target = target;
		look_init(&member->look);
		pylook_init(&member->pylook);
		look_book_init(&member->look_book);
	} else {
		free(target);
	}
	if (!err) {
		target->key.pid = pid;
		member->replayed_build_id = "";
		err = replace_text("", &target->comm);
	}
	if (!err)
		err = replace_text("", &target->exe);
	if (!err)
		err = replace_text("", &target->cmdline);
	if (!err)
		err = replace_text("", &target->container);
	if (!err)
		err = replace_text("", &target->cgroup);
	if (!err)
		err = vec_push(&session->members, member);
	if (err)
		member_free(member);
	else
		*ret = member;
	return err;
}

int replay_member(struct session *session, size_t index, uint32_t pid, struct member **ret)
{
	if (index > session->members.count || index >= HF_MAX_PROCESSES || pid > INT32_MAX || !pid)
		return -EILSEQ;
	if (index == session->members.count)
		return new_member(session, (int)pid, ret);
	if (session->members.items[index]->target->key.pid != (int)pid)
		return -EILSEQ;
	*ret = session->members.items[index];
	return 0;
}

static int take_allocators(struct session *session, struct member *member, const json_t *list)
{
	size_t count = json_array_size(list);
	struct report_allocator *allocators;
	int err = 0;

	if (count > ALLOCATOR_MAX)
		return -EILSEQ;
	allocators = arena_zalloc(&session->replayed->arena, (count + 1) * sizeof(*allocators));
	if (!allocators)
		return -ENOMEM;
	for (size_t i = 0; !err && i < count; i++) {
		const json_t *from = json_array_get(list, i);

		allocators[i].probed = member->probed;
		allocators[i].detail = "";
		err = keep_text(session, text(from, "name"), &allocators[i].name);
		if (!err)
			err = keep_text(session, text(from, "module"), &allocators[i].module);
	}
	member->replayed_allocators = allocators;
	member->replayed_allocator_count = count;
	return err;
}

static int take_texts(struct session *session, struct member *member, const json_t *from)
{
	struct target *target = member->target;
	int err = replace_text(text(from, "comm"), &target->comm);

	if (!err)
		err = replace_text(text(from, "exe"), &target->exe);
	if (!err)
		err = replace_text(text(from, "cmdline"), &target->cmdline);
	if (!err)
		err = replace_text(text(from, "container"), &target->container);
	if (!err && *text(from, "trouble"))
		err = replace_text(text(from, "trouble"), &member->trouble);
	if (!err)
		err = keep_text(session, text(from, "build_id"), &member->replayed_build_id);
	return err ? err : take_allocators(session, member, json_object_get(from, "allocators"));
}

static int take_process(struct session *session, size_t index, const json_t *from)
{
	bool known = index < session->members.count;
	uint64_t pid = number(from, "pid");
	struct member *member;
	int err = pid > INT32_MAX ? -EILSEQ : replay_member(session, index, pid, &member);

	if (err)
		return err;
	member->target->parent_pid = (int)(number(from, "parent") & INT32_MAX);
	member->target->start_wall_ns = number(from, "start_wall_ns");
	member->target->ended_wall_ns = number(from, "ended_wall_ns");
	member->child = flag(from, "child");
	member->probed = flag(from, "probed");
	member->gap_ns = number(from, "gap_ns");
	member->held_before_bytes = number(from, "held_before_bytes");
	member->attached.attach_ns = number(from, "attach_ns");
	member->attached.functions = number(from, "functions");
	member->attached.emulated = number(from, "emulated");
	member->attached.skipped = number(from, "skipped");
	member->late_count = number(from, "late_count");
	member->late_gap_ns = number(from, "late_gap_ns");
	member->look.error = -(int)(number(from, "look_error") & ERROR_MAX);
	err = take_texts(session, member, from);
	if (err || known || member->child)
		return err;
	/* A child's account began with its fork event. */
	return accounts_add(session->accounts, (int)pid, member->target->parent_pid,
			    number(from, "opened_ns"));
}

static int take_custom(struct session *session, const json_t *list)
{
	struct replayed *replayed = session->replayed;
	size_t count = json_array_size(list);
	int err = 0;

	if (count > ALLOCATOR_SPECS_MAX)
		return -EILSEQ;
	for (size_t i = 0; !err && i < count; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		replayed->specs[i].cookie.function = HF_FN_CUSTOM + i;
		replayed->specs[i].cookie.op = HF_OP_ALLOC;
		err = keep_text(session, name ? name : "private", &replayed->specs[i].symbol);
	}
	session->options.specs = replayed->specs;
	session->options.spec_count = err ? 0 : count;
	return err;
}

/* Only their names are told: a span's words know their rule by its number. */
static int take_spans(struct session *session, const json_t *list)
{
	struct replayed *replayed = session->replayed;
	size_t count = json_array_size(list);
	int err = 0;

	if (count > HF_MAX_SPAN_RULES)
		return -EILSEQ;
	for (size_t i = 0; !err && i < count; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		err = keep_text(session, name ? name : "?", &replayed->spans[i].name);
	}
	session->options.spans = (struct span_rules){replayed->spans, err ? 0 : count};
	return err;
}

static double real(const json_t *meta, const char *name, double missing)
{
	const json_t *value = json_object_get(meta, name);
	double number = json_number_value(value);

	return value && number >= 0 && number < 1e9 ? number : missing;
}

static void take_facts(const json_t *meta, struct governor_facts *ret)
{
	*ret = (struct governor_facts){
		.overhead_percent = real(meta, "overhead_percent", -1),
		.duty = real(meta, "duty", 1),
		.cores = real(meta, "cores", 0),
		.exact = !number(meta, "windows"),
		.windows = number(meta, "windows"),
		.windows_cut = number(meta, "windows_cut"),
		.sites_followed = number(meta, "sites_followed"),
	};
}

/* What a call of the target cost as it was recorded; usual figures where that is not told. */
static void take_costs(struct overhead *overhead, const json_t *meta)
{
	double alloc_ns = json_number_value(json_object_get(meta, "alloc_cost_ns"));
	double free_ns = json_number_value(json_object_get(meta, "free_cost_ns"));
	double counting_ns = json_number_value(json_object_get(meta, "counting_ns"));
	struct probe_costs usual;

	cost_defaults(&usual);
	overhead_init(overhead, &usual);
	if (alloc_ns > 0 && alloc_ns < COST_MAX_NS && free_ns > 0 && free_ns < COST_MAX_NS) {
		overhead->alloc_ns = alloc_ns;
		overhead->free_ns = free_ns;
	}
	if (counting_ns > 0 && counting_ns < 1e18)
		overhead->counting_ns = counting_ns;
}

static int take_session(struct session *session, const json_t *meta)
{
	struct replayed *replayed = session->replayed;
	double budget = json_number_value(json_object_get(meta, "budget_percent"));
	int err;

	session->started_ns = number(meta, "started_ns");
	session->started_wall_ns = number(meta, "started_wall_ns");
	session->stopped_ns = number(meta, "stopped_ns");
	session->options.budget_percent = budget > 0 && budget <= 100 ? budget : 0;
	take_costs(&session->overhead, meta);
	session->options.exact = flag(meta, "exact");
	session->options.no_stop = flag(meta, "no_stop");
	take_facts(meta, &session->facts);
	err = keep_text(session, text(meta, "way"), &replayed->way);
	if (!err)
		err = keep_text(session, text(meta, "missing"), &replayed->missing);
	if (!err)
		err = take_spans(session, json_object_get(meta, "spans"));
	return err ? err : take_custom(session, json_object_get(meta, "custom"));
}

int replay_take_meta(struct session *session, const void *bytes, size_t size)
{
	json_t *meta = json_loadb(bytes, size, 0, NULL);
	const json_t *processes = json_object_get(meta, "processes");
	size_t count = json_array_size(processes);
	int err = json_is_object(meta) && count ? take_session(session, meta) : -EILSEQ;

	for (size_t i = 0; !err && i < count; i++)
		err = take_process(session, i, json_array_get(processes, i));
	json_decref(meta);
	return err;
}
