// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/clickhouse.h"

#include <stdlib.h>
#include <string.h>

#include "agent/send/schema.h"
#include "base/clock.h"
#include "base/log.h"

/* Of ClickHouse's dbms/src/Common/ErrorCodes.cpp. */
enum { CODE_UNKNOWN_TABLE = 60, CODE_UNKNOWN_DATABASE = 81 };

enum step { STEP_ASK, STEP_MAKE, STEP_INSERT };

struct clickhouse {
	struct lane *lane;
	struct spool *spool;
	enum step step;
	unsigned int found; /* the version that it had when it was asked */
	size_t next_step;   /* in schema_steps */
	struct spool_loaded out;
	struct strbuf url;
	void (*made)(void *user);
	void *made_user;
};

unsigned int clickhouse_error_code(const char *body)
{
	static const char before[] = "Code: ";
	const char *at = strstr(body, before);
	char *end;
	unsigned long code;

	if (!at)
		return 0;
	at += sizeof(before) - 1;
	code = strtoul(at, &end, 10);
	return end == at || code > UINT16_MAX ? 0 : (unsigned int)code;
}

static bool is_missing(const struct http_response *response)
{
	unsigned int code = clickhouse_error_code(response->body);

	return code == CODE_UNKNOWN_TABLE || code == CODE_UNKNOWN_DATABASE;
}

/* The rows are no rows to it, and will never be. */
static bool is_unreadable(const struct http_response *response)
{
	static const unsigned int codes[] = {
		6,   /* CANNOT_PARSE_TEXT */
		25,  /* CANNOT_PARSE_ESCAPE_SEQUENCE */
		26,  /* CANNOT_PARSE_QUOTED_STRING */
		27,  /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
		33,  /* CANNOT_READ_ALL_DATA */
		38,  /* CANNOT_PARSE_DATE */
		41,  /* CANNOT_PARSE_DATETIME */
		72,  /* CANNOT_PARSE_NUMBER */
		117, /* INCORRECT_DATA */
		354, /* ZLIB_INFLATE_FAILED */
	};
	unsigned int code = clickhouse_error_code(response->body);

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i] == code)
			return true;
	}
	return false;
}

static void add_encoded(struct strbuf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~", *p);

		if (plain)
			strbuf_addch(out, (char)*p);
		else
			strbuf_addf(out, "%%%02X", *p);
	}
}

int clickhouse_add_url(struct strbuf *out, const char *url, const char *sql, const char *rest)
{
	const char *host = strstr(url, "://");
	bool path = host && strchr(host + 3, '/');

	strbuf_addstr(out, url);
	strbuf_addstr(out, strchr(url, '?') ? "&" : path ? "?" : "/?");
	strbuf_addstr(out, "query=");
	add_encoded(out, sql);
	return strbuf_addstr(out, rest);
}

static int next_insert(struct clickhouse *clickhouse, struct http_request *ret)
{
	_cleanup_(strbuf_done) struct strbuf sql = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf rest = STRBUF_INIT;
	struct spool_loaded *out = &clickhouse->out;
	int err;

	free(out->memory);
	out->memory = NULL;
	err = spool_first(clickhouse->spool, out);
	lane_count_dropped(clickhouse->lane, spool_take_lost(clickhouse->spool));
	if (err <= 0)
		return err;
	if (out->batch.table >= FLEET_TABLE_COUNT) { /* of a later version of ours */
		spool_remove(clickhouse->spool, out->number);
		lane_count_dropped(clickhouse->lane, 1);
		return next_insert(clickhouse, ret);
	}
	strbuf_addf(&sql, "INSERT INTO %s FORMAT JSONEachRow", fleet_table_names[out->batch.table]);
	/* one that timed out here may still be at work there: the same id again is refused until it has ended */
	strbuf_addf(&rest, "&input_format_skip_unknown_fields=1&query_id=holdfast-%llx-%llx",
		    (unsigned long long)out->number, (unsigned long long)out->batch.made_ns);
	strbuf_reset(&clickhouse->url);
	if (sql.failed || rest.failed ||
	    clickhouse_add_url(&clickhouse->url, lane_url(clickhouse->lane), sql.buf, rest.buf))
		return -ENOMEM;
	ret->headers[0] = "Content-Encoding: gzip";
	ret->body = out->batch.body;
	ret->body_size = out->batch.size;
	return 1;
}

static int next_request(void *user, struct http_request *ret)
{
	struct clickhouse *clickhouse = user;
	const char *sql = schema_version_query;
	int err = 1;

	if (!spool_count(clickhouse->spool))
		return 0;
	if (clickhouse->step == STEP_INSERT) {
		err = next_insert(clickhouse, ret);
	} else {
		if (clickhouse->step == STEP_MAKE)
			sql = schema_steps[clickhouse->next_step].sql;
		strbuf_reset(&clickhouse->url);
		if (clickhouse_add_url(&clickhouse->url, lane_url(clickhouse->lane), sql, ""))
			return -ENOMEM;
		ret->body = "";
		ret->body_size = 0;
	}
	ret->url = clickhouse->url.buf;
	return err;
}

/* The first statement from here on that the found version lacks; without one it is as it should be. */
static void go_on_making(struct clickhouse *clickhouse)
{
	while (clickhouse->next_step < schema_step_count &&
	       schema_steps[clickhouse->next_step].version <= clickhouse->found)
		clickhouse->next_step++;
	if (clickhouse->next_step < schema_step_count) {
		clickhouse->step = STEP_MAKE;
		return;
	}
	if (clickhouse->step == STEP_MAKE) {
		log_info("ClickHouse has tables of version %d now", SCHEMA_VERSION);
		if (clickhouse->made)
			clickhouse->made(clickhouse->made_user);
	}
	clickhouse->step = STEP_INSERT;
}

static enum lane_outcome version_told(struct clickhouse *clickhouse, enum lane_outcome outcome,
				      const struct http_response *response)
{
	clickhouse->found = 0;
	if (outcome == LANE_DONE)
		clickhouse->found = (unsigned int)strtoul(response->body, NULL, 10);
	else if (!is_missing(response))
		return LANE_RETRY;
	clickhouse->next_step = 0;
	go_on_making(clickhouse);
	return LANE_PASSED;
}

static enum lane_outcome step_taken(struct clickhouse *clickhouse, enum lane_outcome outcome,
				    const struct http_response *response)
{
	if (outcome == LANE_DONE) {
		clickhouse->next_step++;
		go_on_making(clickhouse);
		return LANE_PASSED;
	}
	clickhouse->step = STEP_ASK;
	if (!response->status || !clickhouse->found)
		return LANE_RETRY;
	log_warn("ClickHouse's tables are of version %u, and may not be changed: %s",
		 clickhouse->found, response->body);
	clickhouse->step = STEP_INSERT;
	return LANE_PASSED;
}

static enum lane_outcome rows_inserted(struct clickhouse *clickhouse, enum lane_outcome outcome,
				       const struct http_response *response)
{
	uint64_t number = clickhouse->out.number;

	if (outcome != LANE_DONE) {
		if (is_missing(response))
			clickhouse->step = STEP_ASK;
		if (!is_unreadable(response))
			return LANE_RETRY;
		outcome = LANE_REFUSED;
	}
	spool_remove(clickhouse->spool, number);
	return outcome;
}

static enum lane_outcome request_done(void *user, enum lane_outcome outcome,
				      const struct http_response *response)
{
	struct clickhouse *clickhouse = user;

	switch (clickhouse->step) {
	case STEP_ASK:
		return version_told(clickhouse, outcome, response);
	case STEP_MAKE:
		return step_taken(clickhouse, outcome, response);
	case STEP_INSERT:
		break;
	}
	return rows_inserted(clickhouse, outcome, response);
}

static void count_batches(void *user, struct send_stats *ret)
{
	const struct clickhouse *clickhouse = user;

	ret->queued = spool_count(clickhouse->spool);
	ret->queued_bytes = spool_bytes(clickhouse->spool);
}

static const struct lane_source clickhouse_source = {
	.next = next_request,
	.done = request_done,
	.count = count_batches,
};

int clickhouse_new(struct lane *lane, struct spool *spool, struct clickhouse **ret_clickhouse)
{
	struct clickhouse *clickhouse = calloc(1, sizeof(*clickhouse));

	if (!clickhouse)
		return -ENOMEM;
	strbuf_init(&clickhouse->url);
	clickhouse->spool = spool;
	clickhouse->lane = lane;
	lane_set_source(lane, &clickhouse_source, clickhouse);
	*ret_clickhouse = clickhouse;
	return 0;
}

void clickhouse_free(struct clickhouse *clickhouse)
{
	if (!clickhouse)
		return;
	lane_free(clickhouse->lane);
	strbuf_done(&clickhouse->url);
	free(clickhouse->out.memory);
	free(clickhouse);
}

void clickhouse_on_made(struct clickhouse *clickhouse, void (*made)(void *user), void *user)
{
	clickhouse->made = made;
	clickhouse->made_user = user;
}

void clickhouse_wake(struct clickhouse *clickhouse)
{
	lane_wake(clickhouse->lane);
}

struct lane *clickhouse_lane(const struct clickhouse *clickhouse)
{
	return clickhouse->lane;
}
