/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks in a recording: what is read back proves what was written, look by look; whatever else a block says is
 * refused. That live looks and their recording give the same report is e2e/recording.bats' to show.
 */
#include "session/look_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/record.h>

#include "base/strbuf.h"
#include "cmocka_all.h"
#include "session/replay_meta.h"
#include "session/session_internal.h"

#define PID    100
#define SECOND 1000000000ull

VEC_STRUCT(losses, struct heap_lost);

/* A writer, and a replay that reads what it writes. */
struct pair {
	struct look_book book;
	struct look look;
	struct session *session;
	size_t parts, bytes;
	struct strbuf last; /* block */
	uint64_t time_ns;
};

static const struct heap_type types[] = {{HEAP_DATA, ""}, {HEAP_CLASS, "3Foo"}, {HEAP_TEXT, ""}};

static struct session *new_session(uint64_t memory_bytes)
{
	struct session *session = calloc(1, sizeof(*session));
	struct accounts_options accounts = {.memory_bytes = memory_bytes};
	struct member *member;

	assert_non_null(session);
	session->timer_fd = session->signal_fd = -1;
	session->options.memory_bytes = memory_bytes;
	session->replayed = calloc(1, sizeof(*session->replayed));
	assert_non_null(session->replayed);
	strmap_init(&session->replayed->modules, 1);
	arena_init(&session->replayed->arena, memory_bytes);
	assert_int_equal(accounts_new(&accounts, &session->accounts), 0);
	assert_int_equal(replay_member(session, 0, PID, &member), 0);
	return session;
}

static struct pair new_pair(uint64_t memory_bytes)
{
	struct pair pair = {.session = new_session(memory_bytes), .last = STRBUF_INIT};

	look_book_init(&pair.book);
	return pair;
}

static void done(struct pair *pair)
{
	look_book_done(&pair->book);
	session_free(pair->session);
	strbuf_done(&pair->last);
}

static int put(void *user, const void *bytes, size_t size)
{
	struct pair *pair = user;
	uint64_t time_ns;

	pair->parts++;
	pair->bytes += size;
	strbuf_truncate(&pair->last, 0);
	strbuf_add(&pair->last, bytes, size);
	assert_true(size <= HF_RECORD_BLOCK_MAX);
	return look_block_take(pair->session, bytes, size, &time_ns);
}

static struct heap_snapshot snapshot_of(struct pair *pair, const struct losses *losses)
{
	pair->time_ns += SECOND;
	return (struct heap_snapshot){
		.pid = PID,
		.live_set = HEAP_JEMALLOC,
		.stopped = true,
		.complete = true,
		.reason = "",
		.time_ns = pair->time_ns,
		.before_ns = pair->time_ns - SECOND,
		.known_until_ns = pair->time_ns - SECOND,
		.live_bytes = 5000 + pair->time_ns % 7,
		.free_bytes = 70,
		.types = types,
		.type_count = 3,
		.lost = losses->items,
		.lost_total = losses->count,
	};
}

static int tell(struct pair *pair, const struct heap_snapshot *snapshot)
{
	struct look_told told = {.look = &pair->look, .snapshot = snapshot, .taken = true};

	pair->look.looks++;
	return look_block_write(&pair->book, &told, put, pair);
}

static const struct member *member_of(const struct pair *pair)
{
	return pair->session->members.items[0];
}

/* Some that were there go, some change their flags, some are new. */
static void change(struct losses *losses, uint64_t time_ns)
{
	struct losses next = VEC_INIT;
	uint64_t address = 0x1000;
	size_t k = 0;

	while (k < losses->count || rand() % 40) {
		struct heap_lost lost = {.address = address + 16 * (uint64_t)(1 + rand() % 8),
					 .size_bytes = (uint64_t)1 << rand() % 20,
					 .first_ns = time_ns - SECOND * (uint64_t)(rand() % 3 + 1),
					 .type = (uint32_t)rand() % 3,
					 .confirmed = rand() % 4,
					 .unchanged = rand() % 2,
					 .indirect = rand() % 2};

		if (k < losses->count && losses->items[k].address <= lost.address) {
			lost = losses->items[k++];
			if (rand() % 5 == 0)
				continue;
			if (rand() % 5 == 0)
				lost.held = !lost.held;
			if (rand() % 9 == 0)
				lost.size_bytes *= 2;
		}
		address = lost.address;
		assert_int_equal(vec_push(&next, lost), 0);
	}
	vec_done(losses);
	*losses = next;
}

static void assert_same(const struct lost_evidence *a, const struct lost_evidence *b)
{
	assert_int_equal(a->looks, b->looks);
	assert_int_equal(a->first_look_ns, b->first_look_ns);
	assert_int_equal(a->known_until_ns, b->known_until_ns);
	assert_int_equal(a->entries.count, b->entries.count);
	assert_int_equal(a->blocks.count, b->blocks.count);
	assert_int_equal(a->reading_count, b->reading_count);
	assert_memory_equal(a->readings, b->readings, a->reading_count * sizeof(*a->readings));
	for (size_t i = 0; i < a->blocks.count; i++) {
		const struct lost_block *x = &a->blocks.items[i], *y = &b->blocks.items[i];

		assert_int_equal(x->address, y->address);
		assert_int_equal(x->size_bytes, y->size_bytes);
		assert_int_equal(x->indirect << 1 | x->held, y->indirect << 1 | y->held);
	}
	for (size_t i = 0; i < a->entries.count; i++) {
		struct lost_entry x = a->entries.items[i], y = b->entries.items[i];

		assert_string_equal(x.class_name, y.class_name);
		x.class_name = y.class_name = NULL;
		assert_memory_equal(&x, &y, sizeof(x));
	}
}

static void the_evidence_is_that_of_the_looks_themselves(void **state)
{
	struct pair pair = new_pair(64 << 20);
	struct losses losses = VEC_INIT;
	struct lost_evidence evidence;

	(void)state;
	lost_evidence_init(&evidence);
	pair.time_ns = 10 * SECOND;
	for (int i = 0; i < 200; i++) {
		struct heap_snapshot snapshot;

		change(&losses, pair.time_ns + SECOND);
		snapshot = snapshot_of(&pair, &losses);
		assert_int_equal(tell(&pair, &snapshot), 0);
		assert_int_equal(lost_evidence_take(&evidence, &snapshot, NULL), 0);
		assert_same(&evidence, &member_of(&pair)->look.evidence);
		assert_int_equal(member_of(&pair)->look.newest->live_set, HEAP_JEMALLOC);
		assert_int_equal(member_of(&pair)->look.looks, i + 1);
	}
	assert_true(evidence.entries.count > 10);
	lost_evidence_done(&evidence);
	vec_done(&losses);
	done(&pair);
}

static struct losses many(size_t count, uint64_t first_ns)
{
	struct losses losses = VEC_INIT;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(vec_push(&losses,
					  (struct heap_lost){.address = 0x7f0000000000 + 400 * i,
							     .size_bytes = 376 + 16 * (i % 5),
							     .first_ns = first_ns,
							     .type = i % 3,
							     .confirmed = true}),
				 0);
	return losses;
}

static void what_stays_lost_takes_no_room(void **state)
{
	struct pair pair = new_pair(64 << 20);
	struct losses losses = many(10000, SECOND);
	struct heap_snapshot snapshot = snapshot_of(&pair, &losses);
	size_t first;

	(void)state;
	assert_int_equal(tell(&pair, &snapshot), 0);
	first = pair.bytes;
	assert_true(first < 10000 * 7);
	snapshot = snapshot_of(&pair, &losses);
	assert_int_equal(tell(&pair, &snapshot), 0);
	assert_true(pair.bytes - first < 200);
	assert_int_equal(member_of(&pair)->look.evidence.blocks.count, 10000);
	vec_done(&losses);
	done(&pair);
}

static void a_look_too_large_for_a_block_takes_several(void **state)
{
	struct pair pair = new_pair(1 << 30);
	struct losses losses = many(1000000, SECOND), none = VEC_INIT;
	struct heap_snapshot snapshot = snapshot_of(&pair, &losses);

	(void)state;
	assert_int_equal(tell(&pair, &snapshot), 0);
	assert_int_equal(pair.parts, 2);
	assert_int_equal(member_of(&pair)->look.evidence.looks, 1);
	assert_int_equal(member_of(&pair)->look.evidence.blocks.count, 1000000);
	snapshot = snapshot_of(&pair, &none);
	assert_int_equal(tell(&pair, &snapshot), 0);
	assert_int_equal(member_of(&pair)->look.evidence.blocks.count, 0);
	vec_done(&losses);
	done(&pair);
}

static void more_than_the_memory_allows_is_refused(void **state)
{
	struct pair pair = new_pair(1 << 20);
	struct losses losses = many(10000, SECOND);
	struct heap_snapshot snapshot = snapshot_of(&pair, &losses);

	(void)state;
	assert_int_equal(tell(&pair, &snapshot), -ENOMEM);
	vec_done(&losses);
	done(&pair);
}

static void after_an_exec_the_book_is_empty(void **state)
{
	struct pair pair = new_pair(64 << 20);
	struct losses losses = many(10, SECOND);
	struct heap_snapshot snapshot = snapshot_of(&pair, &losses);

	(void)state;
	assert_int_equal(tell(&pair, &snapshot), 0);
	pair.look.era++;
	losses.count = 3;
	snapshot = snapshot_of(&pair, &losses);
	assert_int_equal(tell(&pair, &snapshot), 0);
	assert_int_equal(member_of(&pair)->look.evidence.looks, 1);
	assert_int_equal(member_of(&pair)->look.evidence.blocks.count, 3);
	assert_int_equal(member_of(&pair)->look.evidence.entries.items[0].returned, 0);
	vec_done(&losses);
	done(&pair);
}

static void a_census_comes_with_its_holders(void **state)
{
	static const struct heap_group groups[] = {
		{.type = 1, .size_bytes = 64, .count = 9, .bytes = 576, .sample = "secret"},
		{.type = 2, .size_bytes = 16, .count = 5, .bytes = 80, .sample = ""},
		{.type = 0, .size_bytes = 32, .count = 2, .bytes = 64, .lost_count = 1, .sample = ""},
	};
	static const char *const held_by[] = {"global cache of a", NULL, ""};
	struct pair pair = new_pair(64 << 20);
	struct losses none = VEC_INIT;
	struct heap_snapshot snapshot = snapshot_of(&pair, &none);
	static const struct look_answer answers[] = {{0x123456789abcdef0, SITE_NEW, "a table"}};
	struct look_told told = {.look = &pair.look,
				 .snapshot = &snapshot,
				 .held_by = held_by,
				 .answers = answers,
				 .answer_count = 1};
	const struct heap_snapshot *census;

	(void)state;
	snapshot.live_by_size[5] = 544;
	snapshot.complete = false;
	snapshot.reason = "a segment was not whole";
	snapshot.groups = groups;
	snapshot.group_count = 3;
	assert_int_equal(look_block_write(&pair.book, &told, put, &pair), 0);
	census = member_of(&pair)->look.census;
	assert_null(member_of(&pair)->look.newest);
	assert_string_equal(census->reason, "a segment was not whole");
	assert_int_equal(census->group_count, 2);
	assert_int_equal(census->groups[0].bytes, 576);
	assert_string_equal(census->groups[0].sample, "");
	assert_string_equal(census->types[census->groups[0].type].name, "3Foo");
	assert_int_equal(census->types[census->groups[1].type].kind, HEAP_DATA);
	assert_int_equal(census->groups[1].lost_count, 1);
	assert_string_equal(member_of(&pair)->replayed_holders[0], "global cache of a");
	assert_int_equal(census->live_by_size[5], 544);
	assert_int_equal(member_of(&pair)->replayed_answer_count, 1);
	assert_int_equal(member_of(&pair)->replayed_answers[0].stack_hash, 0x123456789abcdef0);
	assert_int_equal(member_of(&pair)->replayed_answers[0].class, SITE_NEW);
	assert_string_equal(member_of(&pair)->replayed_answers[0].held_by, "a table");
	done(&pair);
}

static int taken(const void *bytes, size_t size)
{
	struct session *session = new_session(64 << 20);
	uint64_t time_ns;
	int err = look_block_take(session, bytes, size, &time_ns);

	session_free(session);
	return err;
}

static void cut_off_or_changed_it_is_refused_or_harmless(void **state)
{
	struct pair pair = new_pair(64 << 20);
	struct losses losses = many(20, SECOND);
	struct heap_snapshot snapshot = snapshot_of(&pair, &losses);

	(void)state;
	assert_int_equal(tell(&pair, &snapshot), 0);
	for (size_t size = 0; size < pair.last.len; size++)
		assert_int_equal(taken(pair.last.buf, size), -EILSEQ);
	for (size_t i = 0; i < pair.last.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			int err;

			pair.last.buf[i] = (char)(pair.last.buf[i] ^ 1 << bit);
			err = taken(pair.last.buf, pair.last.len);
			assert_true(!err || err == -EILSEQ);
			pair.last.buf[i] = (char)(pair.last.buf[i] ^ 1 << bit);
		}
	}
	vec_done(&losses);
	done(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_evidence_is_that_of_the_looks_themselves),
		cmocka_unit_test(what_stays_lost_takes_no_room),
		cmocka_unit_test(a_look_too_large_for_a_block_takes_several),
		cmocka_unit_test(more_than_the_memory_allows_is_refused),
		cmocka_unit_test(after_an_exec_the_book_is_empty),
		cmocka_unit_test(a_census_comes_with_its_holders),
		cmocka_unit_test(cut_off_or_changed_it_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
