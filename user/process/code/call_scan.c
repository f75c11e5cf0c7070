// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/call_scan.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "process/elf/elf_file.h"

#define PIECE_BYTES   (1u << 20)
#define HEAD_BYTES    16u /* of the piece before */
#define OVERLAP_BYTES 8u  /* of the one behind: more than the longest candidate */
#define PADDING_BYTES 32u /* that a vector may read past the end */
#define FILTER_BITS   65536u

/* Four sections hold the linkage table, by all linkers. */
#define STUB_SECTIONS 4

struct address_range {
	uint64_t start, end;
};

struct scan {
	const struct elf_file *file;
	const struct callees *callees;
	struct map64 targets; /* address -> goal */
	uint64_t filter[FILTER_BITS / 64];
	struct address_range stubs[STUB_SECTIONS];
	struct call_candidates *found;
	size_t limit;
	bool cut;
	uint8_t bytes[HEAD_BYTES + PIECE_BYTES + OVERLAP_BYTES + PADDING_BYTES];
};

/* Looks through the piece's first @count bytes, which are linked at @address. */
typedef int scan_piece_fn(struct scan *s, size_t count, size_t readable, uint64_t address);

static const uint8_t *piece(const struct scan *s)
{
	return s->bytes + HEAD_BYTES;
}

static int add(struct scan *s, struct call_candidate candidate)
{
	if (s->found->count >= s->limit) {
		s->cut = true;
		return 0;
	}
	return vec_push(s->found, candidate);
}

static uint64_t displaced(const struct scan *s, size_t at, size_t opcode_bytes, uint64_t address)
{
	int32_t displacement;

	memcpy(&displacement, piece(s) + at + opcode_bytes, sizeof(displacement));
	return address + at + opcode_bytes + sizeof(displacement) + (uint64_t)(int64_t)displacement;
}

static size_t filter_bit(uint64_t address)
{
	return (address ^ address >> 16) % FILTER_BITS;
}

static int add_target(struct scan *s, uint64_t address, const struct code_goal *goal)
{
	s->filter[filter_bit(address) / 64] |= UINT64_C(1) << filter_bit(address) % 64;
	if (map64_get(&s->targets, address, NULL))
		return 0;
	return map64_put(&s->targets, address, (uintptr_t)goal);
}

static bool in_stub_section(const struct scan *s, uint64_t address)
{
	for (size_t i = 0; i < STUB_SECTIONS; i++) {
		if (address >= s->stubs[i].start && address < s->stubs[i].end)
			return true;
	}
	return false;
}

/* A jmp *slot at @at is a stub, wherever it stands; with its prefixes, too. */
static int add_stub(struct scan *s, size_t at, uint64_t address, const struct code_goal *goal)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const uint8_t *begin = piece(s) + at;
	uint64_t stub = address + at;
	int err = add_target(s, stub, goal);

	if (!err && begin[-1] == 0xf2) {
		begin--;
		err = add_target(s, --stub, goal);
	}
	if (!err && !memcmp(begin - sizeof(endbr64), endbr64, sizeof(endbr64)))
		err = add_target(s, stub - sizeof(endbr64), goal);
	return err;
}

/* ff 15, ff 25: through a slot */
static int visit_indirect(struct scan *s, size_t at, uint64_t address)
{
	bool is_jump = piece(s)[at + 1] == 0x25;
	struct callee callee = callees_through(s->callees, displaced(s, at, 2, address));
	int err = 0;

	if (!callee.goal)
		return 0;
	if (is_jump)
		err = add_stub(s, at, address, callee.goal);
	if (err || (is_jump && in_stub_section(s, address + at)))
		return err;
	return add(s, (struct call_candidate){address + at, callee.goal, 6, is_jump, true});
}

static int scan_indirect(struct scan *s, size_t count, size_t readable, uint64_t address)
{
	const __m128i ff = _mm_set1_epi8((char)0xff), call = _mm_set1_epi8(0x15),
		      jump = _mm_set1_epi8(0x25);
	int err = 0;

	for (size_t at = 0; !err && at < count; at += 16) {
		__m128i first = _mm_loadu_si128((const __m128i *)(piece(s) + at));
		__m128i second = _mm_loadu_si128((const __m128i *)(piece(s) + at + 1));
		unsigned hits = (unsigned)_mm_movemask_epi8(_mm_and_si128(
			_mm_cmpeq_epi8(first, ff),
			_mm_or_si128(_mm_cmpeq_epi8(second, call), _mm_cmpeq_epi8(second, jump))));

		for (; !err && hits; hits &= hits - 1) {
			size_t hit = at + (size_t)__builtin_ctz(hits);

			if (hit < count && readable - hit >= 6)
				err = visit_indirect(s, hit, address);
		}
	}
	return err;
}

/* e8, e9: relative */
static int visit_direct(struct scan *s, size_t at, uint64_t address)
{
	uint64_t target = displaced(s, at, 1, address), goal;

	if (!map64_get(&s->targets, target, &goal))
		return 0;
	return add(s,
		   (struct call_candidate){address + at, (const struct code_goal *)(uintptr_t)goal,
					   5, piece(s)[at] == 0xe9, false});
}

static int scan_direct(struct scan *s, size_t count, size_t readable, uint64_t address)
{
	const __m128i opcode = _mm_set1_epi8((char)0xe8), mask = _mm_set1_epi8((char)0xfe);
	int err = 0;

	for (size_t at = 0; !err && at < count; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(piece(s) + at));
		unsigned hits = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_and_si128(bytes, mask), opcode));

		for (; !err && hits; hits &= hits - 1) {
			size_t hit = at + (size_t)__builtin_ctz(hits), bit;

			if (hit >= count || readable - hit < 5)
				break;
			bit = filter_bit(displaced(s, hit, 1, address));
			if (s->filter[bit / 64] >> bit % 64 & 1)
				err = visit_direct(s, hit, address);
		}
	}
	return err;
}

static int scan_segment(struct scan *s, const struct elf_segment *segment,
			scan_piece_fn *scan_piece)
{
	uint8_t *code = s->bytes + HEAD_BYTES;
	int err = 0;

	memset(s->bytes, 0, HEAD_BYTES);
	for (uint64_t at = 0; !err && at < segment->file_bytes; at += PIECE_BYTES) {
		uint64_t left = segment->file_bytes - at;
		size_t readable = left < PIECE_BYTES + OVERLAP_BYTES ? left
								     : PIECE_BYTES + OVERLAP_BYTES;
		size_t count = left < PIECE_BYTES ? left : PIECE_BYTES;

		if (elf_file_read(s->file, segment->address + at, readable, code)) {
			s->cut = true;
			break;
		}
		memset(code + readable, 0, PADDING_BYTES);
		err = scan_piece(s, count, readable, segment->address + at);
		memcpy(s->bytes, s->bytes + PIECE_BYTES, HEAD_BYTES);
	}
	return err;
}

static int scan_segments(struct scan *s, scan_piece_fn *scan_piece)
{
	uint64_t end = 0, total = 0;
	int err = 0;

	for (size_t i = 0; !err && i < elf_file_segment_count(s->file); i++) {
		const struct elf_segment *segment = elf_file_segment(s->file, i);

		if (!segment->executable || !segment->file_bytes)
			continue;
		if (segment->address < end || segment->file_bytes > CALL_SCAN_MAX_BYTES - total) {
			s->cut = true;
			break;
		}
		total += segment->file_bytes;
		end = segment->address + segment->file_bytes;
		err = scan_segment(s, segment, scan_piece);
	}
	return err;
}

static void find_stub_sections(struct scan *s)
{
	static const char *const names[STUB_SECTIONS] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
	struct elf_section section;

	for (size_t i = 0; i < STUB_SECTIONS; i++) {
		if (elf_file_section(s->file, names[i], &section) == 0)
			s->stubs[i] = (struct address_range){section.address,
							     section.address + section.size};
	}
}

static int compare_candidates(const void *a, const void *b)
{
	const struct call_candidate *x = a, *y = b;

	return (x->opcode_at > y->opcode_at) - (x->opcode_at < y->opcode_at);
}

static void scan_free(struct scan *s)
{
	map64_done(&s->targets);
	free(s);
}
DEFINE_CLEANUP(struct scan *, scan_free);

static int add_own_goals(struct scan *s, const struct code_goal *goals, size_t count)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (goals[i].address)
			err = add_target(s, goals[i].address, &goals[i]);
	}
	return err;
}

int call_scan(const struct elf_file *file, const struct callees *callees, size_t limit,
	      struct call_candidates *candidates, bool *ret_cut)
{
	_cleanup_(scan_freep) struct scan *s = calloc(1, sizeof(*s));
	size_t goal_count;
	const struct code_goal *goals;
	int err;

	if (!s)
		return -ENOMEM;
	s->file = file;
	s->callees = callees;
	s->found = candidates;
	s->limit = limit;
	map64_init(&s->targets, hash_seed_random());
	find_stub_sections(s);
	goals = callees_goals(callees, &goal_count);
	err = add_own_goals(s, goals, goal_count);
	if (!err && callees_have_slots(callees))
		err = scan_segments(s, scan_indirect);
	if (!err && s->targets.count)
		err = scan_segments(s, scan_direct);
	if (err)
		return err;
	if (candidates->count)
		qsort(candidates->items, candidates->count, sizeof(*candidates->items),
		      compare_candidates);
	*ret_cut = s->cut;
	return 0;
}
