// SPDX-License-Identifier: GPL-2.0-or-later
/* Which target is meant. */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/ctl.h"

#define PAGES_MOST 20 /* of 1000 targets each */
#define NAMED_MOST 8

static bool runs(const json_t *target)
{
	return !json_is_string(json_object_get(target, "ended_at"));
}

static uint64_t whole(const json_t *target, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(target, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* All fields that a name may be of. */
static bool is_named(const json_t *target, const char *text)
{
	return !strcmp(ctl_text(target, "name"), text) || !strcmp(ctl_text(target, "comm"), text);
}

static const json_t *by_number(const json_t *targets, const char *text)
{
	const json_t *found = NULL;
	uint64_t number;

	if (units_parse_u64(text, &number) || !number)
		return NULL;
	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *target = json_array_get(targets, i);

		if (whole(target, "id") == number)
			return target;
		if (runs(target) && whole(target, "pid") == number)
			found = target;
	}
	return found;
}

static size_t count_named(const json_t *targets, const char *text, bool running,
			  const json_t **ret_one)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *target = json_array_get(targets, i);

		if (runs(target) != running || !is_named(target, text))
			continue;
		*ret_one = target;
		count++;
	}
	return count;
}

static int refuse_many(const json_t *targets, const char *text, bool running,
		       struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf list = STRBUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *target = json_array_get(targets, i);

		if (runs(target) != running || !is_named(target, text))
			continue;
		if (count++ < NAMED_MOST)
			strbuf_addf(&list, "%s%llu (pid %llu)", list.len ? ", " : "",
				    (unsigned long long)whole(target, "id"),
				    (unsigned long long)whole(target, "pid"));
	}
	error_set(error, HF_E_USAGE, "%zu targets that %s are named %s", count,
		  running ? "run" : "have ended", text);
	error_why(error, "it may be any of %s%s", list.buf, count > NAMED_MOST ? ", ..." : "");
	return error_fix(error, "name it by its id");
}

int ctl_pick_target(const json_t *targets, const char *text, uint64_t *ret_id,
		    struct hf_error *error)
{
	const json_t *found = by_number(targets, text);

	for (int running = 1; !found && running >= 0; running--) {
		if (count_named(targets, text, running, &found) > 1)
			return refuse_many(targets, text, running, error);
	}
	if (found && whole(found, "id")) {
		*ret_id = whole(found, "id");
		return 0;
	}
	error_set(error, HF_E_NOPID, "the agent has no target %s", text);
	error_why(error, "it watches what matches `targets:` of its configuration");
	return error_fix(error, "list them with `holdfast ctl targets`");
}

static int list_targets(struct ctl *ctl, json_t *ret, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	bool more = true;
	int err = 0;

	strbuf_addstr(&path, "/api/v1/targets?state=all&limit=1000");
	for (int page = 0; !err && more && page < PAGES_MOST; page++) {
		const struct ctl_request request = {.path = path.buf};
		_cleanup_(ctl_json_freep) json_t *answer = NULL;

		err = ctl_ask(ctl, &request, NULL, &answer, error);
		if (err)
			break;
		json_array_extend(ret, json_object_get(answer, "targets"));
		more = *ctl_text(answer, "next_cursor") != '\0';
		strbuf_reset(&path);
		strbuf_addstr(&path, "/api/v1/targets?state=all&limit=1000&cursor=");
		ctl_add_escaped(&path, ctl_text(answer, "next_cursor"));
	}
	return err;
}

int ctl_target(struct ctl *ctl, const char *text, struct strbuf *ret, struct hf_error *error)
{
	_cleanup_(ctl_json_freep) json_t *targets = NULL;
	uint64_t number;
	int err;

	if (!strncmp(text, "pid-", 4) && !units_parse_u64(text + 4, &number)) {
		strbuf_addf(ret, "pid-%llu", (unsigned long long)number);
		return 0;
	}
	targets = json_array();
	err = list_targets(ctl, targets, error);
	if (!err)
		err = ctl_pick_target(targets, text, &number, error);
	if (!err)
		strbuf_addf(ret, "%llu", (unsigned long long)number);
	return err;
}
