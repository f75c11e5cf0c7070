// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/fleet.h"

#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#include "agent/send/identity.h"
#include "agent/send/schema.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/json_text.h"
#include "base/log.h"

#define INTERVAL_DEFAULT_NS (60 * NS_PER_S)
#define KNOWN_MAX           65536
#define DAY_S               86400
#define FRAMES_MAX          128

struct rows {
	struct strbuf text;
	uint32_t count;
};

struct fleet {
	struct loop *loop;
	struct spool *spool;
	const struct fleet_rule *identity;
	struct clickhouse *clickhouse;
	int timer_fd;
	struct rows rows[FLEET_TABLE_COUNT];
	/* Those that were sent: names of stacks, today's series. Forgotten all at once when there are too many. */
	struct map64 known_stacks, known_series;
	uint64_t day; /* since 1970 */
};

/* A text's bytes and a NUL, so that "ab" "c" is not "a" "bc". */
static uint64_t hash_text(const char *text, uint64_t before)
{
	return XXH64(text, strlen(text) + 1, before);
}

uint64_t fleet_stack_id(const struct send_site *site)
{
	uint64_t id = 0;

	for (size_t i = 0; i < site->frame_count; i++)
		id = hash_text(site->frames[i], id);
	return id;
}

/* What all rows of a target have in common, and the beginning of the number of its series. */
struct origin {
	struct strbuf members;
	uint64_t series;
};

static void origin_init(struct origin *origin, const struct fleet_rule *identity,
			const struct send_target *target)
{
	const char *service = identity_service(identity, target);
	const char *version = identity_version(identity, target);
	const uint64_t process[2] = {(uint64_t)target->pid, target->started_ns / NS_PER_S};

	strbuf_init(&origin->members);
	strbuf_addstr(&origin->members, "\"service\":");
	json_text_add(&origin->members, service);
	strbuf_addstr(&origin->members, ",\"version\":");
	json_text_add(&origin->members, version);
	strbuf_addstr(&origin->members, ",\"host\":");
	json_text_add(&origin->members, identity->host);
	strbuf_addf(&origin->members, ",\"pid\":%d,\"started\":%llu", target->pid,
		    (unsigned long long)process[1]);
	origin->series = hash_text(identity->host, hash_text(version, hash_text(service, 0)));
	origin->series = XXH64(process, sizeof(process), origin->series);
}

static int pack(const struct strbuf *text, struct strbuf *ret)
{
	z_stream z = {0};
	int done;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	if (strbuf_reserve(ret, deflateBound(&z, text->len))) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_in = (Bytef *)text->buf;
	z.avail_in = (uInt)text->len;
	z.next_out = (Bytef *)ret->buf;
	z.avail_out = (uInt)(ret->capacity - 1);
	done = deflate(&z, Z_FINISH);
	ret->len = z.total_out;
	deflateEnd(&z);
	return done == Z_STREAM_END ? 0 : -ENOMEM;
}

static void flush_table(struct fleet *fleet, enum fleet_table table)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	struct rows *rows = &fleet->rows[table];
	struct spool_batch batch = {
		.table = table,
		.rows = rows->count,
		.made_ns = clock_wall_ns(),
	};
	int err = rows->text.failed ? -ENOMEM : 0;

	if (!rows->count)
		return;
	if (!err)
		err = pack(&rows->text, &packed);
	batch.body = packed.buf;
	batch.size = packed.len;
	if (!err)
		err = spool_add(fleet->spool, &batch);
	if (err && fleet->clickhouse) {
		lane_count_dropped(clickhouse_lane(fleet->clickhouse), 1);
		lane_note_error(clickhouse_lane(fleet->clickhouse),
				strerrordesc_np(-err) ?: "the spool takes no more");
	}
	if (err)
		log_warn_err(err, "%u rows for %s are lost: no room in the spool", rows->count,
			     fleet_table_names[table]);
	strbuf_done(&rows->text);
	rows->count = 0;
}

void fleet_flush(struct fleet *fleet)
{
	/* names before numbers: whoever asks in between finds the names */
	flush_table(fleet, FLEET_STACKS);
	flush_table(fleet, FLEET_SERIES);
	flush_table(fleet, FLEET_TARGETS);
	flush_table(fleet, FLEET_SITES);
	if (fleet->clickhouse)
		clickhouse_wake(fleet->clickhouse);
}

static void end_row(struct fleet *fleet, enum fleet_table table)
{
	struct rows *rows = &fleet->rows[table];

	strbuf_addstr(&rows->text, "}\n");
	rows->count++;
	if (rows->count >= FLEET_BATCH_ROWS || rows->text.len >= SEND_ROWS_BYTES ||
	    rows->text.failed)
		fleet_flush(fleet);
}

/* Most of a row is numbers: several times as fast as printf. */
static void add_digits(struct strbuf *out, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	strbuf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void add_number(struct strbuf *out, const char *name, uint64_t number)
{
	strbuf_addstr(out, ",\"");
	strbuf_addstr(out, name);
	strbuf_addstr(out, "\":");
	if (number == SEND_UNKNOWN)
		strbuf_addstr(out, "null");
	else
		add_digits(out, number);
}

static void add_labels(struct strbuf *out, const struct fleet_label_vec *labels)
{
	strbuf_addstr(out, ",\"labels.name\":[");
	for (size_t i = 0; i < labels->count; i++) {
		strbuf_addstr(out, i ? "," : "");
		json_text_add(out, labels->items[i].name);
	}
	strbuf_addstr(out, "],\"labels.value\":[");
	for (size_t i = 0; i < labels->count; i++) {
		strbuf_addstr(out, i ? "," : "");
		json_text_add(out, labels->items[i].value);
	}
	strbuf_addch(out, ']');
}

void fleet_add_sample(struct fleet *fleet, const struct send_target *target,
		      const struct send_sample *sample)
{
	struct strbuf *out = &fleet->rows[FLEET_TARGETS].text;
	struct origin origin;

	origin_init(&origin, fleet->identity, target);
	strbuf_addf(out,
		    "{\"ts\":%llu,%s,\"target\":", (unsigned long long)(sample->time_ns / NS_PER_S),
		    origin.members.buf);
	json_text_add(out, target->name);
	add_number(out, "rss_bytes", sample->rss_bytes);
	add_number(out, "pss_bytes", sample->pss_bytes);
	add_number(out, "uss_bytes", sample->uss_bytes);
	add_number(out, "vms_bytes", sample->vms_bytes);
	add_number(out, "swap_bytes", sample->swap_bytes);
	add_number(out, "heap_live_bytes", sample->heap_live_bytes);
	add_labels(out, &fleet->identity->labels);
	end_row(fleet, FLEET_TARGETS);
	strbuf_done(&origin.members);
}

/* True if it was sent; else it will be now. */
static bool is_known(struct map64 *known, uint64_t key)
{
	if (map64_get(known, key, NULL))
		return true;
	if (known->count >= KNOWN_MAX)
		map64_clear(known);
	map64_put(known, key, 1); /* or else it is sent once more */
	return false;
}

static void add_series(struct fleet *fleet, const struct origin *origin, uint64_t series,
		       uint64_t stack_id)
{
	struct strbuf *out = &fleet->rows[FLEET_SERIES].text;

	if (is_known(&fleet->known_series, series))
		return;
	strbuf_addf(out, "{\"day\":\"");
	clock_add_rfc3339(out, fleet->day * DAY_S * NS_PER_S);
	strbuf_truncate(out, out->len - strlen("T00:00:00.000Z"));
	strbuf_addf(out, "\",%s", origin->members.buf);
	add_number(out, "series", series);
	add_number(out, "stack_id", stack_id);
	end_row(fleet, FLEET_SERIES);
}

static void add_stack(struct fleet *fleet, uint64_t stack_id, const struct send_site *site)
{
	struct strbuf *out = &fleet->rows[FLEET_STACKS].text;
	const char *function = site->function, *line = site->line ? site->line : "";
	uint64_t key = XXH64(line, strlen(line), stack_id); /* a line may move */

	if (is_known(&fleet->known_stacks, key))
		return;
	if (!function)
		function = site->frame_count ? site->frames[0] : "";
	strbuf_addf(out, "{\"stack_id\":%llu,\"updated\":%llu,\"function\":",
		    (unsigned long long)stack_id, (unsigned long long)(clock_wall_ns() / NS_PER_S));
	json_text_add(out, function);
	strbuf_addstr(out, ",\"line\":");
	json_text_add(out, line);
	strbuf_addstr(out, ",\"frames\":[");
	for (size_t i = 0; i < site->frame_count && i < FRAMES_MAX; i++) {
		strbuf_addstr(out, i ? "," : "");
		json_text_add(out, site->frames[i]);
	}
	strbuf_addch(out, ']');
	end_row(fleet, FLEET_STACKS);
}

void fleet_add_sites(struct fleet *fleet, const struct send_target *target, uint64_t time_ns,
		     const struct send_site *sites, size_t count)
{
	struct strbuf *out = &fleet->rows[FLEET_SITES].text;
	struct origin origin;

	origin_init(&origin, fleet->identity, target);
	if (time_ns / NS_PER_S / DAY_S != fleet->day) {
		fleet->day = time_ns / NS_PER_S / DAY_S;
		map64_clear(&fleet->known_series);
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t stack_id = fleet_stack_id(&sites[i]);
		uint64_t series = XXH64(&stack_id, sizeof(stack_id), origin.series);

		add_stack(fleet, stack_id, &sites[i]);
		add_series(fleet, &origin, series, stack_id);
		strbuf_addstr(out, "{\"ts\":");
		add_digits(out, time_ns / NS_PER_S);
		strbuf_addch(out, ',');
		strbuf_add(out, origin.members.buf, origin.members.len);
		add_number(out, "series", series);
		add_number(out, "stack_id", stack_id);
		add_number(out, "out_bytes", sites[i].out_bytes);
		add_number(out, "out_count", sites[i].out_count);
		add_number(out, "lost_bytes", sites[i].lost_bytes);
		end_row(fleet, FLEET_SITES);
	}
	strbuf_done(&origin.members);
}

static int on_interval(void *user, uint32_t expired)
{
	(void)expired;
	fleet_flush(user);
	return 0;
}

static void forget_known(void *user)
{
	struct fleet *fleet = user;

	map64_clear(&fleet->known_stacks);
	map64_clear(&fleet->known_series);
}

static uint64_t interval_of(const struct fleet_rule *identity)
{
	return identity->interval_ns ? identity->interval_ns : INTERVAL_DEFAULT_NS;
}

int fleet_new(struct loop *loop, struct spool *spool, const struct fleet_rule *identity,
	      struct fleet **ret_fleet)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	int err;

	if (!fleet)
		return -ENOMEM;
	fleet->loop = loop;
	fleet->identity = identity;
	map64_init(&fleet->known_stacks, hash_seed_random());
	map64_init(&fleet->known_series, hash_seed_random());
	for (size_t i = 0; i < FLEET_TABLE_COUNT; i++)
		strbuf_init(&fleet->rows[i].text);
	err = loop_add_timer(loop, interval_of(identity), on_interval, fleet, &fleet->timer_fd);
	if (err) {
		free(fleet);
		return err;
	}
	fleet->spool = spool;
	*ret_fleet = fleet;
	return 0;
}

int fleet_set_interval(struct fleet *fleet)
{
	uint64_t interval = interval_of(fleet->identity);

	return loop_set_timer(fleet->loop, fleet->timer_fd, interval, interval);
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	loop_remove(fleet->loop, fleet->timer_fd);
	clickhouse_free(fleet->clickhouse);
	spool_close(fleet->spool);
	for (size_t i = 0; i < FLEET_TABLE_COUNT; i++)
		strbuf_done(&fleet->rows[i].text);
	map64_done(&fleet->known_stacks);
	map64_done(&fleet->known_series);
	free(fleet);
}

void fleet_set_receiver(struct fleet *fleet, struct clickhouse *clickhouse)
{
	clickhouse_free(fleet->clickhouse);
	fleet->clickhouse = clickhouse;
	clickhouse_on_made(clickhouse, forget_known, fleet);
	clickhouse_wake(clickhouse);
}

struct clickhouse *fleet_receiver(const struct fleet *fleet)
{
	return fleet->clickhouse;
}

struct spool *fleet_spool(const struct fleet *fleet)
{
	return fleet->spool;
}
