/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gzipped profile for pprof. Field numbers: profile.proto of pprof; tests/data/profile.proto
 * says the same in our own words. One location per frame, since frames are shared between stacks;
 * addresses are as linked, so that a mapping starts at 0.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/strbuf.h"
#include "report/export/proto_out.h"
#include "report/export/writers.h"

enum { /* Profile */
       PROFILE_SAMPLE_TYPE = 1,
       PROFILE_SAMPLE,
       PROFILE_MAPPING,
       PROFILE_LOCATION,
       PROFILE_FUNCTION,
       PROFILE_STRING_TABLE,
       PROFILE_TIME_NANOS = 9,
       PROFILE_DURATION_NANOS,
       PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT };
enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM };
enum {
	MAPPING_ID = 1,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID,
	MAPPING_HAS_FUNCTIONS,
	MAPPING_HAS_FILENAMES,
	MAPPING_HAS_LINE_NUMBERS,
	MAPPING_HAS_INLINE_FRAMES
};
enum { LOCATION_ID = 1, LOCATION_MAPPING_ID, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION_ID = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILENAME };

static const char *const sample_types[][2] = {
	{"alloc_objects", "count"},
	{"alloc_space", "bytes"},
	{"inuse_objects", "count"},
	{"inuse_space", "bytes"},
};

struct pprof {
	const struct report *report;
	struct sink *sink;
	struct strmap strings;  /* text -> number + 1 */
	struct map64 functions; /* hash of (name, file) -> id */
	struct map64 mappings;  /* hash of (module, build id) -> id */
	uint64_t string_count, function_count, mapping_count;
	struct strbuf message, part; /* at hand */
	int err;
};

static void emit(struct pprof *p, uint32_t field, const struct strbuf *message)
{
	struct strbuf head = STRBUF_INIT;

	strbuf_add_uleb(&head, field << 3 | 2);
	strbuf_add_uleb(&head, message->len);
	if ((head.failed || message->failed) && !p->err)
		p->err = -ENOMEM;
	sink_write(p->sink, head.buf, head.len);
	sink_write(p->sink, message->buf, message->len);
	strbuf_done(&head);
}

/* The string's number; new ones are written at once, in the order of their numbers. */
static uint64_t string_number(struct pprof *p, const char *text)
{
	uintptr_t known = (uintptr_t)strmap_get(&p->strings, text);
	struct strbuf message = STRBUF_INIT;

	if (known)
		return known - 1;
	if (strmap_put(&p->strings, text, (void *)(uintptr_t)(p->string_count + 1), NULL) < 0 &&
	    !p->err)
		p->err = -ENOMEM;
	strbuf_addstr(&message, text);
	emit(p, PROFILE_STRING_TABLE, &message);
	strbuf_done(&message);
	return p->string_count++;
}

static void put_sample_types(struct pprof *p)
{
	for (size_t i = 0; i < sizeof(sample_types) / sizeof(*sample_types); i++) {
		uint64_t type = string_number(p, sample_types[i][0]);
		uint64_t unit = string_number(p, sample_types[i][1]);

		strbuf_reset(&p->message);
		proto_add_u64(&p->message, VALUE_TYPE_TYPE, type);
		proto_add_u64(&p->message, VALUE_TYPE_UNIT, unit);
		emit(p, PROFILE_SAMPLE_TYPE, &p->message);
	}
}

/*
 * True: *ret_id was there already. Strings of a report are one copy each, so their addresses name
 * them.
 */
static bool number_of(struct pprof *p, struct map64 *map, const char *const key[2],
		      uint64_t *ret_id)
{
	uint64_t hash = hash_bytes(key, 2 * sizeof(*key), map->seed);

	if (map64_get(map, hash, ret_id))
		return true;
	if (map64_put(map, hash, *ret_id) < 0 && !p->err)
		p->err = -ENOMEM;
	return false;
}

static uint64_t put_mapping(struct pprof *p, const struct report_frame *f)
{
	uint64_t id = p->mapping_count + 1, filename, build_id;

	if (number_of(p, &p->mappings, (const char *const[2]){f->module, f->build_id}, &id))
		return id;
	p->mapping_count = id;
	filename = string_number(p, f->module);
	build_id = string_number(p, f->build_id);
	strbuf_reset(&p->part);
	proto_add_u64(&p->part, MAPPING_ID, id);
	proto_add_u64(&p->part, MAPPING_FILENAME, filename);
	proto_add_u64(&p->part, MAPPING_BUILD_ID, build_id);
	/* there is nothing left for pprof to resolve */
	for (uint32_t flag = MAPPING_HAS_FUNCTIONS; flag <= MAPPING_HAS_INLINE_FRAMES; flag++)
		proto_add_u64(&p->part, flag, 1);
	emit(p, PROFILE_MAPPING, &p->part);
	return id;
}

static uint64_t put_function(struct pprof *p, const struct report_frame *f)
{
	uint64_t id = p->function_count + 1, name, file;

	if (!*f->function)
		return 0;
	if (number_of(p, &p->functions, (const char *const[2]){f->function, f->file}, &id))
		return id;
	p->function_count = id;
	name = string_number(p, f->function);
	file = string_number(p, f->file);
	strbuf_reset(&p->part);
	proto_add_u64(&p->part, FUNCTION_ID, id);
	proto_add_u64(&p->part, FUNCTION_NAME, name);
	proto_add_u64(&p->part, FUNCTION_SYSTEM_NAME, name);
	proto_add_u64(&p->part, FUNCTION_FILENAME, file);
	emit(p, PROFILE_FUNCTION, &p->part);
	return id;
}

static void put_location(struct pprof *p, const struct report_frame *f, uint64_t id)
{
	uint64_t mapping = *f->module ? put_mapping(p, f) : 0, function = put_function(p, f);

	strbuf_reset(&p->message);
	proto_add_u64(&p->message, LOCATION_ID, id);
	proto_add_u64(&p->message, LOCATION_MAPPING_ID, mapping);
	proto_add_u64(&p->message, LOCATION_ADDRESS, f->address);
	if (function) {
		strbuf_reset(&p->part);
		proto_add_u64(&p->part, LINE_FUNCTION_ID, function);
		proto_add_u64(&p->part, LINE_LINE, f->line);
		proto_add_bytes(&p->message, LOCATION_LINE, p->part.buf, p->part.len);
	}
	emit(p, PROFILE_LOCATION, &p->message);
}

static void add_label(struct pprof *p, const char *key, const char *text, uint64_t number)
{
	uint64_t key_number = string_number(p, key), value = text ? string_number(p, text) : 0;

	strbuf_reset(&p->part);
	proto_add_u64(&p->part, LABEL_KEY, key_number);
	proto_add_u64(&p->part, LABEL_STR, value);
	proto_add_u64(&p->part, LABEL_NUM, number);
	proto_add_bytes(&p->message, SAMPLE_LABEL, p->part.buf, p->part.len);
}

static uint64_t int64_of(uint64_t number)
{
	return number > INT64_MAX ? INT64_MAX : number;
}

static void put_sample(struct pprof *p, const struct report_site *s)
{
	const uint64_t values[] = {s->allocs, s->alloc_bytes, s->outstanding_count,
				   s->outstanding_bytes};

	strbuf_reset(&p->message);
	strbuf_reset(&p->part);
	for (uint32_t i = 0; i < s->stack.depth; i++)
		strbuf_add_uleb(&p->part, s->stack.frames[i] + 1ull);
	proto_add_bytes(&p->message, SAMPLE_LOCATION_ID, p->part.buf, p->part.len);
	strbuf_reset(&p->part);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		strbuf_add_uleb(&p->part, int64_of(values[i]));
	proto_add_bytes(&p->message, SAMPLE_VALUE, p->part.buf, p->part.len);
	if (*s->allocator)
		add_label(p, "allocator", s->allocator, 0);
	if (s->pid > 0)
		add_label(p, "pid", NULL, (uint64_t)s->pid);
	emit(p, PROFILE_SAMPLE, &p->message);
}

/* Nanoseconds since 1970 of "2026-01-02T03:04:05…Z"; 0 if it is not of that form. */
static uint64_t time_nanos(const char *rfc3339)
{
	struct tm tm = {0};
	const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t seconds = rest ? timegm(&tm) : 0;

	return seconds > 0 ? (uint64_t)seconds * 1000000000u : 0;
}

static void put_all(struct pprof *p)
{
	const struct report *r = p->report;
	double duration_ns = r->capture.duration_s * 1e9;

	string_number(p, ""); /* number 0, as the format wants it */
	put_sample_types(p);
	for (size_t i = 0; i < r->frame_count; i++)
		put_location(p, &r->frames[i], i + 1);
	for (size_t i = 0; i < r->site_count; i++)
		put_sample(p, &r->sites[i]);
	strbuf_reset(&p->message);
	proto_add_u64(&p->message, PROFILE_TIME_NANOS, time_nanos(r->capture.started_at));
	if (duration_ns > 0 && duration_ns < 9e18)
		proto_add_u64(&p->message, PROFILE_DURATION_NANOS, (uint64_t)duration_ns);
	proto_add_u64(&p->message, PROFILE_DEFAULT_SAMPLE_TYPE, string_number(p, "inuse_space"));
	sink_write(p->sink, p->message.buf, p->message.len);
}

int write_pprof(const struct report *r, const struct export_options *options, struct sink *sink)
{
	_cleanup_(gzip_sink_freep) struct gzip_sink *gzip = NULL;
	struct pprof p = {.report = r, .message = STRBUF_INIT, .part = STRBUF_INIT};
	int err = gzip_sink_new(sink, &gzip);

	(void)options;
	if (err)
		return err;
	p.sink = gzip_sink_input(gzip);
	strmap_init(&p.strings, hash_seed_random());
	map64_init(&p.functions, p.strings.seed);
	map64_init(&p.mappings, p.strings.seed);
	put_all(&p);
	strmap_done(&p.strings, NULL);
	map64_done(&p.functions);
	map64_done(&p.mappings);
	strbuf_done(&p.message);
	strbuf_done(&p.part);
	err = gzip_sink_finish(gzip);
	return p.err ? p.err : err;
}
