// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/look_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/record.h>

#include "account/heap/snapshot.h"
#include "base/bytes.h"
#include "base/strbuf.h"
#include "session/replay_meta.h"
#include "session/session_internal.h"

#define PART_BYTES   (HF_RECORD_BLOCK_MAX / 2)
#define GROUPS_BYTES (HF_RECORD_BLOCK_MAX - (1u << 20)) /* what does not fit are the smallest */
#define TEXT_MAX     4096
#define TYPES_MAX    65536
#define GROUPS_MAX   65536
#define ANSWERS_MAX  256
#define NUMBER_MAX   (1ULL << 48)
#define MEMORY_SHARE 4 /* of the bound on memory, for the books: 1 / n */

enum what { WHAT_END, WHAT_GONE, WHAT_CHANGED, WHAT_NEW };

#define WHAT_BITS        3u
#define WHAT_INDIRECT    4u
#define WHAT_HELD        8u
#define WHAT_UNCHANGED   16u
#define WHAT_MAPPING     32u
#define WHAT_SAME_FIRST  64u /* missed first by the same look as the new one before it */
#define WHAT_CHANGEABLE  (WHAT_INDIRECT | WHAT_HELD)
#define WHAT_OF_NEW_ONES (WHAT_CHANGEABLE | WHAT_UNCHANGED | WHAT_MAPPING | WHAT_SAME_FIRST)

VEC_STRUCT(lost_vec, struct heap_lost);

void look_book_init(struct look_book *book)
{
	memset(book, 0, sizeof(*book));
	strmap_init(&book->numbers, hash_seed_random());
}

void look_book_done(struct look_book *book)
{
	for (size_t i = 0; i < book->types.count; i++)
		free((char *)(uintptr_t)book->types.items[i].name);
	vec_done(&book->types);
	vec_done(&book->lost);
	strmap_done(&book->numbers, NULL);
}

static void empty(struct look_book *book)
{
	look_book_done(book);
	look_book_init(book);
}

static int add_type(struct look_book *book, enum heap_kind kind, const char *name, size_t size)
{
	char *copy = strndup(name, size);

	if (!copy || vec_push(&book->types, (struct heap_type){kind, copy})) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

static uint8_t flags_of(const struct heap_lost *lost)
{
	return (lost->indirect ? WHAT_INDIRECT : 0) | (lost->held ? WHAT_HELD : 0) |
	       (lost->unchanged ? WHAT_UNCHANGED : 0) | (lost->mapping ? WHAT_MAPPING : 0);
}

/* Writing */

struct look_writer {
	struct look_book *book;
	const struct look_told *told;
	look_block_put_fn put;
	void *user;
	struct strbuf block;
	uint32_t *numbers; /* of the snapshot's types, + 1; 0: not looked up yet */
	bool anew;
	uint64_t last_address, last_first_ns;
};

static void add_sizes(struct strbuf *out, const struct heap_snapshot *snapshot)
{
	size_t count = HEAP_SIZE_SLOTS;

	while (count && !snapshot->live_by_size[count - 1])
		count--;
	strbuf_addch(out, (char)count);
	for (size_t i = 0; i < count; i++)
		strbuf_add_uleb(out, snapshot->live_by_size[i]);
}

static void begin_part(struct look_writer *writer)
{
	const struct look_told *told = writer->told;
	const struct heap_snapshot *s = told->snapshot;
	struct hf_record_look head = {
		.process = told->process,
		.pid = s->pid,
		.flags = (writer->anew ? HF_RECORD_LOOK_ANEW : 0) |
			 (told->taken ? HF_RECORD_LOOK_TAKEN : 0) |
			 (told->held_by ? HF_RECORD_LOOK_CENSUS : 0) |
			 (s->stopped ? HF_RECORD_LOOK_STOPPED : 0) |
			 (s->complete ? HF_RECORD_LOOK_COMPLETE : 0),
		.live_set = s->live_set,
		.time_ns = s->time_ns,
		.before_ns = s->before_ns,
		.known_until_ns = s->known_until_ns,
		.stop_ns = s->stop_ns,
		.live_count = s->live_count,
		.live_bytes = s->live_bytes,
		.free_count = s->free_count,
		.free_bytes = s->free_bytes,
		.lost_count = s->lost_count,
		.lost_bytes = s->lost_bytes,
		.returned = s->returned,
		.looks = told->look->looks,
		.failed = told->look->failed,
		.incomplete = told->look->incomplete,
		.stop_max_ns = told->look->stop_ns_max,
	};

	strbuf_truncate(&writer->block, 0);
	strbuf_add(&writer->block, &head, sizeof(head));
	strbuf_add_text16(&writer->block, s->reason, TEXT_MAX);
	add_sizes(&writer->block, s);
	writer->anew = false;
	writer->last_address = writer->last_first_ns = 0;
}

static int put_part(struct look_writer *writer)
{
	struct strbuf *block = &writer->block;

	return block->failed ? -ENOMEM : writer->put(writer->user, block->buf, block->len);
}

/* In an own part, if the one begun is full. */
static int next_part(struct look_writer *writer)
{
	struct hf_record_look head;
	int err;

	if (writer->block.failed || writer->block.len < PART_BYTES)
		return 0;
	strbuf_addch(&writer->block, WHAT_END);
	strbuf_add_uleb(&writer->block, 0); /* answers */
	if (writer->block.failed)
		return -ENOMEM;
	memcpy(&head, writer->block.buf, sizeof(head));
	head.flags |= HF_RECORD_LOOK_MORE;
	memcpy(writer->block.buf, &head, sizeof(head));
	err = put_part(writer);
	begin_part(writer);
	return err;
}

/* The book's number of one of the snapshot's types; told with the first use. */
static int write_type(struct look_writer *writer, uint32_t index, uint32_t *ret)
{
	const struct heap_type *type = &writer->told->snapshot->types[index];
	struct look_book *book = writer->book;
	_cleanup_(strbuf_done) struct strbuf key = STRBUF_INIT;
	size_t size = strnlen(type->name, TEXT_MAX);
	int err;

	if (!writer->numbers[index]) {
		strbuf_addch(&key, (char)type->kind);
		strbuf_add(&key, type->name, size);
		if (key.failed)
			return -ENOMEM;
		writer->numbers[index] = (uintptr_t)strmap_get_n(&book->numbers, key.buf, key.len);
	}
	if (writer->numbers[index]) {
		*ret = writer->numbers[index] - 1;
		strbuf_add_uleb(&writer->block, *ret);
		return 0;
	}
	*ret = book->types.count;
	err = add_type(book, type->kind, type->name, size);
	if (!err)
		err = strmap_put_n(&book->numbers, key.buf, key.len,
				   (void *)(uintptr_t)book->types.count, NULL);
	writer->numbers[index] = book->types.count;
	strbuf_add_uleb(&writer->block, *ret);
	strbuf_addch(&writer->block, (char)type->kind);
	strbuf_add_text16(&writer->block, type->name, TEXT_MAX);
	return err;
}

static int write_what(struct look_writer *writer, uint8_t what, uint64_t address)
{
	int err = next_part(writer);

	strbuf_addch(&writer->block, (char)what);
	strbuf_add_uleb(&writer->block, address - writer->last_address);
	writer->last_address = address;
	return err;
}

static int write_new(struct look_writer *writer, struct heap_lost *lost)
{
	uint8_t what = WHAT_NEW | flags_of(lost);
	int err = next_part(writer);

	if (lost->first_ns == writer->last_first_ns)
		what |= WHAT_SAME_FIRST;
	if (!err)
		err = write_what(writer, what, lost->address);
	strbuf_add_uleb(&writer->block, lost->size_bytes);
	if (!err)
		err = write_type(writer, lost->type, &lost->type);
	if (!(what & WHAT_SAME_FIRST))
		strbuf_add_uleb(&writer->block, writer->told->snapshot->time_ns - lost->first_ns);
	writer->last_first_ns = lost->first_ns;
	return err;
}

/* Told before, and still there: as what the evidence and the reader's book have it. */
static int write_kept(struct look_writer *writer, const struct heap_lost *before,
		      struct heap_lost *lost)
{
	uint8_t flags = flags_of(lost) & WHAT_CHANGEABLE;
	int err = 0;

	if (before->size_bytes != lost->size_bytes || before->first_ns != lost->first_ns) {
		err = write_what(writer, WHAT_GONE, before->address);
		return err ? err : write_new(writer, lost);
	}
	if (flags != (flags_of(before) & WHAT_CHANGEABLE))
		err = write_what(writer, WHAT_CHANGED | flags, lost->address);
	lost->type = before->type;
	return err;
}

static int write_losses(struct look_writer *writer)
{
	const struct heap_snapshot *s = writer->told->snapshot;
	struct look_book *book = writer->book;
	struct lost_vec lost = VEC_INIT;
	size_t k = 0;
	int err = 0;

	for (size_t i = 0; !err && i <= s->lost_total; i++) {
		bool end = i == s->lost_total;
		struct heap_lost now = end ? (struct heap_lost){.address = UINT64_MAX} : s->lost[i];

		if (!end && !now.confirmed)
			continue;
		for (; !err && k < book->lost.count && book->lost.items[k].address < now.address;
		     k++)
			err = write_what(writer, WHAT_GONE, book->lost.items[k].address);
		if (err || end)
			break;
		if (k < book->lost.count && book->lost.items[k].address == now.address)
			err = write_kept(writer, &book->lost.items[k++], &now);
		else
			err = write_new(writer, &now);
		if (!err)
			err = vec_push(&lost, now);
	}
	strbuf_addch(&writer->block, WHAT_END);
	vec_done(&book->lost);
	book->lost.items = lost.items;
	book->lost.count = lost.count;
	book->lost.capacity = lost.capacity;
	return err;
}

static void write_answers(struct look_writer *writer)
{
	const struct look_told *told = writer->told;

	strbuf_add_uleb(&writer->block, told->answer_count);
	for (size_t i = 0; i < told->answer_count; i++) {
		strbuf_add_le(&writer->block, told->answers[i].stack_hash, 8);
		strbuf_add_le(&writer->block, told->answers[i].class, 1);
		strbuf_add_text16(&writer->block, told->answers[i].held_by, TEXT_MAX);
	}
}

static int write_groups(struct look_writer *writer)
{
	const struct look_told *told = writer->told;
	struct strbuf *block = &writer->block;
	uint32_t number;
	int err = 0;

	for (size_t i = 0; told->held_by && !err && i < told->snapshot->group_count; i++) {
		const struct heap_group *group = &told->snapshot->groups[i];

		if (!told->held_by[i] || block->len > GROUPS_BYTES)
			continue;
		err = write_type(writer, group->type, &number);
		strbuf_add_uleb(block, group->size_bytes);
		strbuf_add_uleb(block, group->count);
		strbuf_add_uleb(block, group->bytes);
		strbuf_add_uleb(block, group->lost_count);
		strbuf_add_uleb(block, group->lost_bytes);
		strbuf_add_uleb(block, group->returned);
		strbuf_add_text16(block, told->held_by[i], TEXT_MAX);
		strbuf_add_text16(block, told->show_content ? group->sample : "", TEXT_MAX);
	}
	return err;
}

int look_block_write(struct look_book *book, const struct look_told *told, look_block_put_fn put,
		     void *user)
{
	struct look_writer writer = {.book = book,
				     .told = told,
				     .put = put,
				     .user = user,
				     .block = STRBUF_INIT,
				     .anew = !book->last_ns || book->era != told->look->era};
	int err = 0;

	if (writer.anew)
		empty(book);
	writer.numbers = calloc(told->snapshot->type_count + 1, sizeof(*writer.numbers));
	if (!writer.numbers)
		return -ENOMEM;
	begin_part(&writer);
	/* One that is not in the evidence changes none of the losses. */
	if (told->taken)
		err = write_losses(&writer);
	else
		strbuf_addch(&writer.block, WHAT_END);
	write_answers(&writer);
	if (!err)
		err = write_groups(&writer);
	if (!err)
		err = put_part(&writer);
	free(writer.numbers);
	strbuf_done(&writer.block);
	if (told->taken)
		book->last_ns = told->snapshot->time_ns;
	book->era = told->look->era;
	return err;
}

/* Reading */

VEC_STRUCT(group_vec, struct heap_group);
VEC_STRUCT(text_vec, const char *);
VEC_STRUCT(answer_vec, struct look_answer);

struct look_reader {
	struct session *session;
	struct member *member;
	struct look_book *book;
	struct hf_record_look head;
	struct cursor cursor;
	const char *reason; /* in the arena of the replay, as are the next */
	uint64_t live_by_size[HEAP_SIZE_SLOTS];
	struct answer_vec answers;
	struct group_vec groups;
	struct text_vec holders;
	uint64_t last_first_ns;
};

/* Up to what sums of them may be. -EILSEQ. */
static int take_number(struct look_reader *reader, uint64_t *ret)
{
	uint64_t number = cursor_uleb(&reader->cursor);

	if (reader->cursor.bad || number > NUMBER_MAX)
		return -EILSEQ;
	*ret = number;
	return 0;
}

static int take_text(struct look_reader *reader, const char **ret)
{
	size_t size;
	const char *bytes = cursor_text16(&reader->cursor, TEXT_MAX, &size);

	*ret = "";
	if (!bytes)
		return -EILSEQ;
	if (!size)
		return 0;
	*ret = arena_strndup(&reader->session->replayed->arena, bytes, size);
	return *ret ? 0 : -ENOMEM;
}

static int take_sizes(struct look_reader *reader)
{
	uint8_t count = cursor_u8(&reader->cursor);
	int err = reader->cursor.bad || count > HEAP_SIZE_SLOTS ? -EILSEQ : 0;

	for (uint8_t i = 0; !err && i < count; i++)
		err = take_number(reader, &reader->live_by_size[i]);
	return err;
}

static int take_type(struct look_reader *reader, uint32_t *ret)
{
	struct look_book *book = reader->book;
	const char *name;
	uint64_t number;
	uint8_t kind;
	size_t size;
	int err = take_number(reader, &number);

	if (err || number > book->types.count || number >= TYPES_MAX)
		return -EILSEQ;
	*ret = (uint32_t)number;
	if (number < book->types.count)
		return 0;
	kind = cursor_u8(&reader->cursor);
	name = cursor_text16(&reader->cursor, TEXT_MAX, &size);
	if (!name || kind > HEAP_DATA)
		return -EILSEQ;
	return add_type(book, kind, name, size);
}

static void set_flags(struct heap_lost *lost, uint8_t what)
{
	lost->indirect = what & WHAT_INDIRECT;
	lost->held = what & WHAT_HELD;
}

static int take_new(struct look_reader *reader, uint8_t what, uint64_t address,
		    struct heap_lost *ret)
{
	struct heap_lost lost = {.address = address,
				 .looks = 2,
				 .confirmed = true,
				 .unchanged = what & WHAT_UNCHANGED,
				 .mapping = what & WHAT_MAPPING};
	uint64_t ago_ns = reader->head.time_ns - reader->last_first_ns;
	int err = take_number(reader, &lost.size_bytes);

	set_flags(&lost, what);
	if (!err)
		err = take_type(reader, &lost.type);
	if (!err && !(what & WHAT_SAME_FIRST))
		err = take_number(reader, &ago_ns);
	if (err || ago_ns > reader->head.time_ns)
		return err ? err : -EILSEQ;
	lost.first_ns = reader->last_first_ns = reader->head.time_ns - ago_ns;
	*ret = lost;
	return 0;
}

/* One change, at @address: those of the book up to there have been taken over. */
static int take_change(struct look_reader *reader, uint8_t what, uint64_t address, size_t *k)
{
	const struct look_book *book = reader->book;
	bool known = *k < book->lost.count && book->lost.items[*k].address == address;

	if ((what & WHAT_BITS) == WHAT_NEW)
		return known || what & ~(WHAT_BITS | WHAT_OF_NEW_ONES) ? -EILSEQ : 0;
	if (!known ||
	    what & ~(WHAT_BITS | ((what & WHAT_BITS) == WHAT_CHANGED ? WHAT_CHANGEABLE : 0)))
		return -EILSEQ;
	++*k;
	return 0;
}

static bool is_too_much(const struct look_reader *reader, size_t count)
{
	const struct session *session = reader->session;

	return (session->replayed->lost_told + count) * sizeof(struct heap_lost) >
	       session->options.memory_bytes / MEMORY_SHARE;
}

/* The book's losses and the changes, side by side. */
static int merge(struct look_reader *reader, struct lost_vec *ret)
{
	const struct look_book *book = reader->book;
	uint64_t address = 0, step;
	uint8_t last = WHAT_END;
	size_t k = 0;
	int err = 0;

	for (;;) {
		uint8_t what = cursor_u8(&reader->cursor);
		bool end = what == WHAT_END;
		struct heap_lost lost;

		if (!end && (err = take_number(reader, &step)))
			return err;
		if (reader->cursor.bad)
			return -EILSEQ;
		/* Twice the same address: only one that is gone and has come anew. */
		if (!end && !step && last != WHAT_END &&
		    (last != WHAT_GONE || (what & WHAT_BITS) != WHAT_NEW))
			return -EILSEQ;
		address = end ? UINT64_MAX : address + step;
		for (; !err && k < book->lost.count && book->lost.items[k].address < address; k++)
			err = vec_push(ret, book->lost.items[k]);
		if (err || end)
			return err;
		err = take_change(reader, what, address, &k);
		last = what & WHAT_BITS;
		if (!err && last == WHAT_NEW) {
			err = take_new(reader, what, address, &lost);
		} else if (!err && last == WHAT_CHANGED) {
			lost = book->lost.items[k - 1];
			set_flags(&lost, what);
		}
		if (!err && last != WHAT_GONE)
			err = is_too_much(reader, ret->count) ? -ENOMEM : vec_push(ret, lost);
		if (err)
			return err;
	}
}

static int take_losses(struct look_reader *reader)
{
	struct look_book *book = reader->book;
	struct lost_vec lost = VEC_INIT;
	int err;

	reader->session->replayed->lost_told -= book->lost.count;
	err = merge(reader, &lost);
	if (!err) {
		vec_done(&book->lost);
		book->lost.items = lost.items;
		book->lost.count = lost.count;
		book->lost.capacity = lost.capacity;
	} else {
		vec_done(&lost);
	}
	reader->session->replayed->lost_told += book->lost.count;
	return err;
}

static int take_answers(struct look_reader *reader)
{
	uint64_t count = 0;
	int err = take_number(reader, &count);

	if (!err &&
	    (count > ANSWERS_MAX || (count && !(reader->head.flags & HF_RECORD_LOOK_CENSUS))))
		err = -EILSEQ;
	for (uint64_t i = 0; !err && i < count; i++) {
		struct look_answer answer = {.stack_hash = cursor_u64(&reader->cursor),
					     .class = cursor_u8(&reader->cursor)};

		err = take_text(reader, &answer.held_by);
		if (!err)
			err = vec_push(&reader->answers, answer);
	}
	return err;
}

static int take_group(struct look_reader *reader)
{
	struct heap_group group = {.holder = {.path = ""}, .sample = ""};
	const char *held_by;
	int err = take_type(reader, &group.type);

	if (!err)
		err = take_number(reader, &group.size_bytes);
	if (!err)
		err = take_number(reader, &group.count);
	if (!err)
		err = take_number(reader, &group.bytes);
	if (!err)
		err = take_number(reader, &group.lost_count);
	if (!err)
		err = take_number(reader, &group.lost_bytes);
	if (!err)
		err = take_number(reader, &group.returned);
	if (!err)
		err = take_text(reader, &held_by);
	if (!err)
		err = take_text(reader, &group.sample);
	if (!err)
		err = vec_push(&reader->groups, group);
	return err ? err : vec_push(&reader->holders, held_by);
}

static int take_groups(struct look_reader *reader)
{
	int err = 0;

	while (!err && cursor_left(&reader->cursor)) {
		if (!(reader->head.flags & HF_RECORD_LOOK_CENSUS) ||
		    reader->groups.count == GROUPS_MAX)
			return -EILSEQ;
		err = take_group(reader);
	}
	return err;
}

static struct heap_snapshot snapshot_of(const struct look_reader *reader)
{
	const struct hf_record_look *head = &reader->head;
	struct heap_snapshot snapshot = {
		.pid = (int)head->pid,
		.live_set = head->live_set,
		.stopped = head->flags & HF_RECORD_LOOK_STOPPED,
		.complete = head->flags & HF_RECORD_LOOK_COMPLETE,
		.reason = reader->reason,
		.time_ns = head->time_ns,
		.before_ns = head->before_ns,
		.known_until_ns = head->known_until_ns,
		.stop_ns = head->stop_ns,
		.live_count = head->live_count,
		.live_bytes = head->live_bytes,
		.free_count = head->free_count,
		.free_bytes = head->free_bytes,
		.lost_count = head->lost_count,
		.lost_bytes = head->lost_bytes,
		.returned = head->returned,
		.types = reader->book->types.items,
		.type_count = reader->book->types.count,
		.groups = reader->groups.items,
		.group_count = reader->groups.count,
	};

	memcpy(snapshot.live_by_size, reader->live_by_size, sizeof(reader->live_by_size));
	return snapshot;
}

static int join(struct look_reader *reader)
{
	struct look *look = &reader->member->look;
	const struct account *account =
		accounts_find(reader->session->accounts, (int)reader->head.pid);
	struct heap_snapshot snapshot = snapshot_of(reader);

	snapshot.lost = reader->book->lost.items;
	snapshot.lost_total = reader->book->lost.count;
	return lost_evidence_take(&look->evidence, &snapshot, account ? account->ledger : NULL);
}

/* What a census says in words. */
static int keep_words(struct look_reader *reader)
{
	struct arena *arena = &reader->session->replayed->arena;
	const char *const *holders =
		arena_memdup(arena, reader->holders.items,
			     reader->holders.count * sizeof(*reader->holders.items));
	const struct look_answer *answers =
		arena_memdup(arena, reader->answers.items,
			     reader->answers.count * sizeof(*reader->answers.items));

	if ((!holders && reader->holders.count) || (!answers && reader->answers.count))
		return -ENOMEM;
	reader->member->replayed_holders = holders;
	reader->member->replayed_answers = answers;
	reader->member->replayed_answer_count = reader->answers.count;
	return 0;
}

/* The whole look has been read: as looks.c leaves a live one. */
static int finish(struct look_reader *reader)
{
	const uint32_t flags = reader->head.flags;
	struct heap_snapshot snapshot = snapshot_of(reader), *copy;
	struct member *member = reader->member;
	int err = flags & HF_RECORD_LOOK_TAKEN ? join(reader) : 0;

	if (!err && flags & HF_RECORD_LOOK_CENSUS)
		err = keep_words(reader);
	if (!(flags & HF_RECORD_LOOK_CENSUS))
		snapshot.type_count = 0;
	if (!err)
		err = heap_snapshot_copy(&snapshot, &copy);
	if (err)
		return err;
	member->look.looks = reader->head.looks;
	member->look.failed = reader->head.failed;
	member->look.incomplete = reader->head.incomplete;
	member->look.stop_ns_max = reader->head.stop_max_ns;
	look_replay(&member->look, copy, flags & HF_RECORD_LOOK_TAKEN,
		    flags & HF_RECORD_LOOK_CENSUS);
	return 0;
}

static bool is_sound(const struct hf_record_look *head)
{
	const uint64_t numbers[] = {
		head->live_count, head->live_bytes, head->free_count, head->free_bytes,
		head->lost_count, head->lost_bytes, head->returned,   head->looks,
		head->failed,     head->incomplete, head->stop_ns,    head->stop_max_ns,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i] > NUMBER_MAX)
			return false;
	return head->time_ns <= INT64_MAX && head->before_ns <= head->time_ns &&
	       head->known_until_ns <= head->time_ns && head->live_set <= HEAP_TRACED_ONLY &&
	       head->flags & (HF_RECORD_LOOK_TAKEN | HF_RECORD_LOOK_CENSUS);
}

static int take_parts(struct look_reader *reader)
{
	int err;

	if (reader->head.flags & HF_RECORD_LOOK_ANEW) {
		look_forget(&reader->member->look);
		reader->session->replayed->lost_told -= reader->book->lost.count;
		empty(reader->book);
	}
	err = take_text(reader, &reader->reason);
	if (!err)
		err = take_sizes(reader);
	if (!err)
		err = take_losses(reader);
	if (!err)
		err = take_answers(reader);
	if (!err)
		err = take_groups(reader);
	if (!err && !(reader->head.flags & HF_RECORD_LOOK_MORE))
		err = finish(reader);
	vec_done(&reader->answers);
	vec_done(&reader->groups);
	vec_done(&reader->holders);
	return err;
}

int look_block_take(struct session *session, const void *bytes, size_t size, uint64_t *ret_time_ns)
{
	struct look_reader reader = {.session = session, .cursor = cursor_of(bytes, size)};
	const void *head = cursor_bytes(&reader.cursor, sizeof(reader.head));
	int err = head ? 0 : -EILSEQ;

	if (!err)
		memcpy(&reader.head, head, sizeof(reader.head));
	if (err || !is_sound(&reader.head))
		return -EILSEQ;
	err = replay_member(session, reader.head.process, reader.head.pid, &reader.member);
	if (err)
		return err;
	reader.book = &reader.member->look_book;
	/* Looks of a process come in the order of their times; one that only counts types may be older. */
	if (reader.head.flags & HF_RECORD_LOOK_TAKEN) {
		if (reader.head.time_ns < reader.book->last_ns)
			return -EILSEQ;
		reader.book->last_ns = reader.head.time_ns;
	}
	err = take_parts(&reader);
	if (!err)
		*ret_time_ns = reader.head.time_ns;
	return err;
}
