// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/fleet_query.h"

#include <curl/curl.h>
#include <jansson.h>
#include <string.h>

#include "agent/send/clickhouse.h"
#include "base/clock.h"
#include "base/log.h"

#define ANSWER_MAX    (64u << 20)
#define SERVICES_MAX  20
#define STACKS_EACH   5
#define HISTORY_S     (30ull * 86400)
#define TIMEOUT_MS    60000L
#define COARSE_FROM_S (6 * 3600)
/* Less than this in the whole window, of what it holds, is no growth worth a word, however sure it is. */
#define GROWS " growth > doubt AND sum(slope * span) > 0.01 * sum(last_bytes)"

/* The two roll-ups: over a long window the finer one has more points than a slope needs. */
struct rollup {
	const char *table;
	uint64_t step_s;
};

static struct rollup rollup_of(uint64_t window_s)
{
	if (window_s >= COARSE_FROM_S)
		return (struct rollup){"holdfast.site_15m", 900};
	return (struct rollup){"holdfast.site_5m", 300};
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *user)
{
	struct strbuf *answer = user;
	size_t got = size * count;

	if (got > ANSWER_MAX - answer->len || strbuf_add(answer, bytes, got))
		return 0;
	return got;
}

static int refuse(const char *url, long status, const struct strbuf *answer, struct hf_error *err)
{
	unsigned int code = clickhouse_error_code(answer->buf);
	size_t length = strcspn(answer->buf, "\r\n");

	(void)url;
	error_set(err, HF_E_NOFILE, "ClickHouse does not answer the question (status %ld)", status);
	error_why(err, "%.*s", length > 300 ? 300 : (int)length, answer->buf);
	if (code == 60 || code == 81)
		return error_fix(err, "let an agent send something there first: fleet.clickhouse "
				      "in its configuration");
	return error_fix(err, "look at the URL, with user and password, and at ClickHouse's log");
}

/* The answer's text. */
static int post(const char *url, const struct strbuf *sql, struct strbuf *ret, struct hf_error *err)
{
	CURL *easy = curl_easy_init();
	char reason[CURL_ERROR_SIZE] = "";
	CURLcode result;
	long status = 0;

	if (!easy || sql->failed) {
		curl_easy_cleanup(easy);
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	}
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sql->buf);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sql->len);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "holdfast/" HF_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
	result = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (result == CURLE_OK)
		return status == 200 ? 0 : refuse(url, status, ret, err);
	error_set(err, HF_E_NOFILE, "cannot ask ClickHouse");
	error_why(err, "%s", *reason ? reason : curl_easy_strerror(result));
	return error_fix(err, "name it by --clickhouse http://HOST:8123, or in the agent's "
			      "configuration");
}

/* The rows of an answer in FORMAT JSONCompact. The caller drops the reference. */
static int ask(const struct fleet_question *question, const struct strbuf *sql, json_t **ret,
	       struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf answer = STRBUF_INIT;
	json_error_t where;
	json_t *document, *rows;
	uint64_t began = clock_now_ns();
	int result = post(question->url, sql, &answer, err);

	if (result)
		return result;
	log_debug("%.1f ms for %s", (double)(clock_now_ns() - began) / 1e6, sql->buf);
	document = json_loadb(answer.buf, answer.len, 0, &where);
	rows = json_object_get(document, "data");
	if (!json_is_array(rows)) {
		json_decref(document);
		error_set(err, HF_E_BADFILE, "that is no answer of ClickHouse's");
		return error_fix(err, "look at the URL: it is that of the HTTP interface, port "
				      "8123 unless configured otherwise");
	}
	*ret = json_incref(rows);
	json_decref(document);
	return 0;
}

static void json_freep(json_t **json)
{
	json_decref(*json);
}

static void add_literal(struct strbuf *sql, const char *text)
{
	strbuf_addch(sql, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			strbuf_addch(sql, '\\');
		strbuf_addch(sql, *text);
	}
	strbuf_addch(sql, '\'');
}

/*
 * One row per series that has points enough for a slope. t is counted from the window's beginning, so that the sums keep
 * their digits; a point that is there twice weighs twice, which moves no slope by much. The series' names are joined to
 * the sums, for to carry them along would cost more than all the sums do.
 */
static void add_series(struct strbuf *sql, const char *table, uint64_t from_s, const char *filter)
{
	unsigned long long from = from_s;

	strbuf_addf(sql,
		    "(SELECT series, count() AS n, min(last_ts) AS first, max(last_ts) AS last,"
		    " toFloat64(last - first) AS span, argMax(out_bytes, last_ts) AS last_bytes,"
		    " sum(t) AS st, sum(x) AS sx, sum(t * x) AS stx, sum(t * t) AS stt,"
		    " sum(x * x) AS sxx, stt - st * st / n AS vt, stx - st * sx / n AS vtx,"
		    " vtx / vt AS slope, greatest(0., (sxx - sx * sx / n) - slope * vtx)"
		    " / (n - 2) / vt AS variance"
		    " FROM (SELECT series, last_ts, out_bytes,"
		    " toFloat64(toUInt32(last_ts) - %llu) AS t, toFloat64(out_bytes) AS x FROM %s"
		    " WHERE bucket >= toDateTime(%llu)%s)"
		    " GROUP BY series HAVING n >= 3 AND vt > 0) ",
		    from, table, from, filter);
	strbuf_addf(sql,
		    "ANY INNER JOIN (SELECT series, any(service) AS svc, any(version) AS ver,"
		    " any(host) AS hst, any(pid) AS process, any(started) AS begun,"
		    " any(stack_id) AS stack FROM holdfast.series"
		    " WHERE day >= toDate(toDateTime(%llu)) - 1%s GROUP BY series) USING series",
		    from, filter);
}

static double number_at(json_t *row, size_t i)
{
	json_t *value = json_array_get(row, i);

	return json_is_number(value) ? json_number_value(value) : 0;
}

/* 64-bit numbers come as texts: JSON's would lose digits. */
static uint64_t integer_at(json_t *row, size_t i)
{
	json_t *value = json_array_get(row, i);

	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return json_is_integer(value) && json_integer_value(value) > 0
		       ? (uint64_t)json_integer_value(value)
		       : 0;
}

static char *text_at(json_t *row, size_t i)
{
	const char *text = json_string_value(json_array_get(row, i));

	return strdup(text ? text : "");
}

static int ask_services(const struct fleet_question *question, struct fleet_answer *answer,
			struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf sql = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf filter = STRBUF_INIT;
	_cleanup_(json_freep) json_t *rows = NULL;
	uint64_t window_s = question->window_ns / NS_PER_S, now_s = question->now_ns / NS_PER_S;
	struct rollup rollup = rollup_of(window_s);
	int result;

	if (question->service) {
		strbuf_addstr(&filter, " AND service = ");
		add_literal(&filter, question->service);
	}
	strbuf_addf(
		&sql,
		"SELECT svc, sum(slope * span) / %llu AS growth,"
		" 2 * sqrt(sum(variance * span * span)) / %llu AS doubt,"
		" growth * %llu / sum(span) * count() / uniqExact(hst, process, begun) AS per_process,"
		" sumIf(last_bytes, last >= toDateTime(%llu)), uniqExact(hst, process, begun),"
		" uniqExact(hst) FROM ",
		(unsigned long long)window_s, (unsigned long long)window_s,
		(unsigned long long)window_s, (unsigned long long)(now_s - 3 * rollup.step_s));
	add_series(&sql, rollup.table, now_s - window_s, filter.buf);
	strbuf_addf(&sql, " GROUP BY svc%s ORDER BY growth DESC LIMIT %d FORMAT JSONCompact",
		    question->service ? "" : " HAVING " GROWS, SERVICES_MAX);
	result = ask(question, &sql, &rows, err);
	for (size_t i = 0; !result && i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		double growth = number_at(row, 1), doubt = number_at(row, 2);
		struct fleet_service service = {
			.name = text_at(row, 0),
			.growth = growth,
			.growth_low = growth - doubt,
			.growth_high = growth + doubt,
			.process_growth = number_at(row, 3),
			.grows = integer_at(row, 7) != 0,
			.bytes = integer_at(row, 4),
			.process_count = integer_at(row, 5),
			.host_count = integer_at(row, 6),
			.since = -1,
		};

		if (!service.name || vec_push(&answer->services, service)) {
			free(service.name);
			result = error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
		}
	}
	return result;
}

static struct fleet_service *find_service(struct fleet_answer *answer, const char *name)
{
	for (size_t i = 0; name && i < answer->services.count; i++) {
		if (!strcmp(answer->services.items[i].name, name))
			return &answer->services.items[i];
	}
	return NULL;
}

static int ask_stacks(const struct fleet_question *question, struct fleet_answer *answer,
		      struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf sql = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf filter = STRBUF_INIT;
	_cleanup_(json_freep) json_t *rows = NULL;
	uint64_t window_s = question->window_ns / NS_PER_S, now_s = question->now_ns / NS_PER_S;
	struct rollup rollup = rollup_of(window_s);
	int result;

	strbuf_addstr(&filter, " AND service IN (");
	for (size_t i = 0; i < answer->services.count; i++) {
		strbuf_addstr(&filter, i ? ", " : "");
		add_literal(&filter, answer->services.items[i].name);
	}
	strbuf_addch(&filter, ')');
	strbuf_addf(
		&sql,
		"SELECT svc, stack, sum(slope * span) / %llu AS growth,"
		" 2 * sqrt(sum(variance * span * span)) / %llu AS doubt,"
		" sumIf(last_bytes, last >= toDateTime(%llu)), uniqExact(hst, process, begun) FROM ",
		(unsigned long long)window_s, (unsigned long long)window_s,
		(unsigned long long)(now_s - 3 * rollup.step_s));
	add_series(&sql, rollup.table, now_s - window_s, filter.buf);
	strbuf_addf(&sql,
		    " GROUP BY svc, stack HAVING " GROWS " ORDER BY growth DESC"
		    " LIMIT %d BY svc FORMAT JSONCompact",
		    STACKS_EACH);
	result = ask(question, &sql, &rows, err);
	for (size_t i = 0; !result && i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		struct fleet_service *service =
			find_service(answer, json_string_value(json_array_get(row, 0)));
		struct fleet_stack stack = {
			.id = integer_at(row, 1),
			.growth = number_at(row, 2),
			.growth_low = number_at(row, 2) - number_at(row, 3),
			.bytes = integer_at(row, 4),
			.process_count = integer_at(row, 5),
			.function = strdup(""),
			.line = strdup(""),
		};

		if (!service || !stack.function || !stack.line ||
		    vec_push(&service->stacks, stack)) {
			free(stack.function);
			free(stack.line);
			result = service ? error_set_errno(err, HF_E_INTERNAL, ENOMEM,
							   "out of memory")
					 : 0;
		}
	}
	return result;
}

/* Adds "x, y, z" of each service's stacks, or only of the fastest. False if there are none. */
static bool add_ids(struct strbuf *sql, const struct fleet_answer *answer, bool all)
{
	bool any = false;

	for (size_t i = 0; i < answer->services.count; i++) {
		const struct fleet_stack_vec *stacks = &answer->services.items[i].stacks;

		for (size_t j = 0; j < stacks->count && (all || !j); j++) {
			strbuf_addf(sql, "%s%llu", any ? ", " : "",
				    (unsigned long long)stacks->items[j].id);
			any = true;
		}
	}
	return any;
}

static int name_stack(struct fleet_stack *stack, json_t *row)
{
	char *function = text_at(row, 1), *line = text_at(row, 2);

	if (!function || !line) {
		free(function);
		free(line);
		return -ENOMEM;
	}
	free(stack->function);
	free(stack->line);
	stack->function = function;
	stack->line = line;
	return 0;
}

static int ask_names(const struct fleet_question *question, struct fleet_answer *answer,
		     struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf sql = STRBUF_INIT;
	_cleanup_(json_freep) json_t *rows = NULL;
	int result;

	strbuf_addstr(&sql, "SELECT stack_id, argMax(function, updated), argMax(line, updated)"
			    " FROM holdfast.stack WHERE stack_id IN (");
	if (!add_ids(&sql, answer, true))
		return 0;
	strbuf_addstr(&sql, ") GROUP BY stack_id FORMAT JSONCompact");
	result = ask(question, &sql, &rows, err);
	for (size_t r = 0; !result && r < json_array_size(rows); r++) {
		json_t *row = json_array_get(rows, r);
		uint64_t id = integer_at(row, 0);

		for (size_t i = 0; i < answer->services.count; i++) {
			struct fleet_stack_vec *stacks = &answer->services.items[i].stacks;

			for (size_t j = 0; !result && j < stacks->count; j++) {
				if (stacks->items[j].id == id && name_stack(&stacks->items[j], row))
					result = error_set_errno(err, HF_E_INTERNAL, ENOMEM,
								 "out of memory");
			}
		}
	}
	return result;
}

/* By first appearance. It grows since the first of the last versions that all do. */
static void find_since(struct fleet_service *service)
{
	for (size_t i = service->versions.count; i--;) {
		if (!service->versions.items[i].grows)
			break;
		service->since = (int)i;
	}
}

/*
 * Of each service's fastest stack, also before the window: a version that is old news was new once. A version grows if its
 * processes do, at a tenth of the fastest one's rate at least: what grows less grows for another reason.
 */
static int ask_versions(const struct fleet_question *question, struct fleet_answer *answer,
			struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf sql = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf filter = STRBUF_INIT;
	_cleanup_(json_freep) json_t *rows = NULL;
	uint64_t window_s = question->window_ns / NS_PER_S, now_s = question->now_ns / NS_PER_S;
	uint64_t history_s = window_s > HISTORY_S ? window_s : HISTORY_S;
	struct rollup rollup = rollup_of(window_s);
	int result;

	strbuf_addstr(&filter, " AND service IN (");
	for (size_t i = 0; i < answer->services.count; i++) {
		strbuf_addstr(&filter, i ? ", " : "");
		add_literal(&filter, answer->services.items[i].name);
	}
	strbuf_addstr(&filter, ") AND stack_id IN (");
	if (!add_ids(&filter, answer, false))
		return 0;
	strbuf_addch(&filter, ')');
	strbuf_addstr(&sql,
		      "SELECT svc, stack, ver, toUInt32(min(first)) AS begin,"
		      " uniqExact(hst, process, begun), sum(slope * span) / sum(span) AS growth,"
		      " 2 * sqrt(sum(variance * span * span)) / sum(span) FROM ");
	add_series(&sql, rollup.table, now_s - history_s, filter.buf);
	strbuf_addstr(&sql, " GROUP BY svc, stack, ver ORDER BY begin, ver FORMAT JSONCompact");
	result = ask(question, &sql, &rows, err);
	for (size_t r = 0; !result && r < json_array_size(rows); r++) {
		json_t *row = json_array_get(rows, r);
		struct fleet_service *service =
			find_service(answer, json_string_value(json_array_get(row, 0)));
		struct fleet_version version = {
			.first_seen_s = integer_at(row, 3),
			.process_count = integer_at(row, 4),
			.process_growth = number_at(row, 5),
			.process_growth_low = number_at(row, 5) - number_at(row, 6),
		};

		if (!service || !service->stacks.count ||
		    service->stacks.items[0].id != integer_at(row, 1))
			continue; /* another service's fastest */
		version.version = text_at(row, 2);
		if (!version.version || vec_push(&service->versions, version)) {
			free(version.version);
			result = error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
		}
	}
	return result;
}

static void judge_versions(struct fleet_service *service)
{
	struct fleet_version *versions = service->versions.items;
	double fastest = 0;

	for (size_t i = 0; i < service->versions.count; i++) {
		if (versions[i].process_growth > fastest)
			fastest = versions[i].process_growth;
	}
	for (size_t i = 0; i < service->versions.count; i++)
		versions[i].grows = versions[i].process_growth_low > 0 &&
				    versions[i].process_growth >= fastest / 10;
	find_since(service);
}

int fleet_ask(const struct fleet_question *question, struct fleet_answer *ret, struct hf_error *err)
{
	_cleanup_(fleet_answer_done) struct fleet_answer answer = {0};
	int result;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	result = ask_services(question, &answer, err);
	if (!result && answer.services.count)
		result = ask_stacks(question, &answer, err);
	if (!result)
		result = ask_names(question, &answer, err);
	if (!result)
		result = ask_versions(question, &answer, err);
	curl_global_cleanup();
	if (result)
		return result;
	for (size_t i = 0; i < answer.services.count; i++)
		judge_versions(&answer.services.items[i]);
	*ret = answer;
	answer = (struct fleet_answer){0};
	return 0;
}

void fleet_answer_done(struct fleet_answer *answer)
{
	for (size_t i = 0; i < answer->services.count; i++) {
		struct fleet_service *service = &answer->services.items[i];

		for (size_t j = 0; j < service->stacks.count; j++) {
			free(service->stacks.items[j].function);
			free(service->stacks.items[j].line);
		}
		for (size_t j = 0; j < service->versions.count; j++)
			free(service->versions.items[j].version);
		vec_done(&service->stacks);
		vec_done(&service->versions);
		free(service->name);
	}
	vec_done(&answer->services);
}
