/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles: the reports of jobs, in every format that a report has. */
#include <errno.h>
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"
#include "agent/store/profiles.h"
#include "base/units.h"
#include "report/diff.h"
#include "report/export/export.h"

/* As the pages of reports need it: their one script and style are inline. */
#define PAGE_CSP                                                                                     \
	"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

static void put_profile(struct json_out *json, const struct store_profile *profile)
{
	json_out_u64(json, "id", profile->id);
	json_out_u64(json, "target", profile->target);
	api_put_time(json, "time", profile->time_ns);
	json_out_string(json, "reason", profile->reason);
	json_out_string(json, "state", profile->state);
	json_out_u64(json, "size_bytes", profile->size_bytes);
	api_put_growth(json, profile->growth_bytes_per_second);
	json_out_u64(json, "findings", profile->finding_count);
}

int api_profiles(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct store_profile_query query = {
		.target = api_find_target(agent, request, false, &target),
		.before = api_cursor(request),
		.limit = (size_t)http_integer(request, "limit"),
	};
	struct store_profiles profiles;
	struct json_out *json;
	int err;

	if (!query.target)
		return HTTP_ANSWERED;
	err = store_list_profiles(agent->store, &query, &profiles);
	if (err)
		return api_answer_errno(request, err, "the profiles can't be read");
	json = http_json(request);
	json_out_begin_array(json, "profiles");
	for (size_t i = 0; i < profiles.count; i++) {
		json_out_begin_object(json, NULL);
		put_profile(json, &profiles.items[i]);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	api_put_cursor(json, profiles.next);
	store_profiles_done(&profiles);
	return http_answer_composed(request, 200);
}

/* By its id, or "latest", of that target. -ENOENT. */
static int find_profile(struct agent *agent, uint64_t target, const char *text,
			struct store_profiles *ret)
{
	struct store_profile_query query = {.target = target, .limit = 1};
	uint64_t id;
	int err;

	if (!strcmp(text, "latest")) {
		err = store_list_profiles(agent->store, &query, ret);
		if (err)
			return err;
		id = ret->count ? ret->items[0].id : 0;
		store_profiles_done(ret);
	} else if (units_parse_u64(text, &id)) {
		return -ENOENT;
	}
	err = store_read_profile(agent->store, id, ret);
	if (!err && ret->items[0].target != target) {
		store_profiles_done(ret);
		return -ENOENT;
	}
	return err;
}

static int load_report(struct agent *agent, uint64_t target, const char *text, struct report **ret)
{
	struct store_profiles profiles;
	int err = find_profile(agent, target, text, &profiles);

	if (err)
		return err;
	err = report_read_json(profiles.items[0].bytes, profiles.items[0].size_bytes, ret, NULL);
	store_profiles_done(&profiles);
	return err;
}

struct format {
	const char *type;
	enum export_format export;
	bool packed, saved; /* compressed as it is; offered for saving */
};

/* In the order of API_FORMATS. */
static const struct format formats[] = {
	{"application/json", EXPORT_JSON, false, false},
	{"text/html; charset=utf-8", EXPORT_HTML, false, false},
	{"text/plain; charset=utf-8", EXPORT_FOLDED, false, true},
	{"application/octet-stream", EXPORT_PPROF, true, true},
	{"application/json", EXPORT_SPEEDSCOPE, false, true},
	{"text/plain; charset=utf-8", EXPORT_TEXT, false, false},
};

static int answer_report(struct http_request *request, const struct report *report,
			 const struct format *format)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	const struct export_options options = {.utf8 = true, .frames = UINT32_MAX};
	struct http_content content = {.type = format->type, .packed = format->packed};
	struct sink sink;
	int err;

	sink_init_strbuf(&sink, &bytes);
	err = export_write(format->export, report, &options, &sink);
	if (err)
		return api_answer_errno(request, err, "the profile can't be written");
	strbuf_addf(&name, "holdfast-%d%s", report->target.pid, exporters[format->export].ending);
	if (format->export == EXPORT_HTML)
		content.csp = PAGE_CSP;
	else if (format->saved)
		content.filename = name.buf;
	return http_answer_bytes(request, &content, &bytes);
}

int api_answer_profile(struct http_request *request, struct agent *agent,
		       const struct api_profile_name *name, int format)
{
	struct report *report;
	int err = load_report(agent, name->target, name->profile, &report);

	if (err == -ENOENT)
		return api_answer_missing(request, "profile of that target");
	if (err)
		return api_answer_errno(request, err, "the profile can't be read");
	err = answer_report(request, report, &formats[format]);
	report_free(report);
	return err;
}

int api_profile(struct http_request *request, void *user)
{
	struct agent_target *target;
	struct api_profile_name name = {
		.target = api_find_target(user, request, false, &target),
		.profile = http_text(request, "profile"),
	};

	return name.target
		       ? api_answer_profile(request, user, &name, http_choice(request, "format"))
		       : HTTP_ANSWERED;
}

/* What readers of pprof fetch by themselves: the newest, packed as they want it. */
int api_pprof(struct http_request *request, void *user)
{
	struct agent_target *target;
	const struct api_profile_name name = {
		.target = api_find_target(user, request, false, &target), .profile = "latest"};

	return name.target ? api_answer_profile(request, user, &name, API_FORMAT_PPROF)
			   : HTTP_ANSWERED;
}

enum { DIFF_JSON, DIFF_HTML, DIFF_FOLDED, DIFF_TEXT };

static int write_diff(const struct report_diff *diff, int format, struct sink *sink)
{
	const struct export_options options = {.utf8 = true};

	switch (format) {
	case DIFF_HTML:
		return diff_write_html(diff, sink);
	case DIFF_FOLDED:
		return diff_write_folded(diff, sink);
	case DIFF_TEXT:
		return diff_write_text(diff, &options, sink);
	default:
		return diff_write_json(diff, sink);
	}
}

static int answer_diff(struct http_request *request, const struct report *from,
		       const struct report *to)
{
	static const char *const types[] = {"application/json", "text/html; charset=utf-8",
					    "text/plain; charset=utf-8",
					    "text/plain; charset=utf-8"};
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	int format = http_choice(request, "format");
	const struct http_content content = {.type = types[format],
					     .csp = format == DIFF_HTML ? PAGE_CSP : NULL};
	struct report_diff *diff;
	struct sink sink;
	int err = report_diff(from, to, &diff);

	if (err)
		return api_answer_errno(request, err, "the two can't be compared");
	sink_init_strbuf(&sink, &bytes);
	err = write_diff(diff, format, &sink);
	report_diff_free(diff);
	return err ? api_answer_errno(request, err, "the difference can't be written")
		   : http_answer_bytes(request, &content, &bytes);
}

int api_diff(struct http_request *request, void *user)
{
	struct agent_target *target;
	uint64_t id = api_find_target(user, request, false, &target);
	struct report *from = NULL, *to = NULL;
	int err;

	if (!id)
		return HTTP_ANSWERED;
	err = load_report(user, id, http_text(request, "from"), &from);
	if (!err)
		err = load_report(user, id, http_text(request, "to"), &to);
	if (err == -ENOENT)
		err = api_answer_missing(request, "profile of that target");
	else if (err)
		err = api_answer_errno(request, err, "a profile can't be read");
	else
		err = answer_diff(request, from, to);
	report_free(from);
	report_free(to);
	return err;
}
