/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/elf/start_code.h"

#include <string.h>

#include "process/elf/elf_file.h"

#define CLONES_BYTES 0x70u /* the two functions before __do_global_dtors_aux, at most */
#define DUMMY_BYTES  0x18u /* what follows it: padding, frame_dummy */
#define PUSH_RBP     0x55
#define RET          0xc3

static const struct hf_unwind_rule no_rule;
static const struct hf_unwind_rule frameless = {.cfa_kind = HF_CFA_SP, .cfa_offset = 8};
static const struct hf_unwind_rule one_word = {.cfa_kind = HF_CFA_SP, .cfa_offset = 16};
static const struct hf_unwind_rule pushed_rbp = {
	.cfa_kind = HF_CFA_SP,
	.cfa_offset = 16,
	.bp_kind = HF_BP_CFA,
	.bp_offset = -16,
};

static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

static void add(struct start_code *code, uint64_t pc, struct hf_unwind_rule rule)
{
	if (code->count < sizeof(code->rows) / sizeof(code->rows[0]))
		code->rows[code->count++] = (struct start_row){(uint32_t)pc, rule};
}

/* [start, end) is free of FDEs. */
static bool is_uncovered(const struct eh_frame *frame, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < frame->fde_count && frame->fdes[i].start < end; i++)
		if (frame->fdes[i].end > start)
			return false;
	return true;
}

static bool is_near(const struct elf_section *s)
{
	return s->address <= UINT32_MAX && s->size <= UINT32_MAX - s->address;
}

/* .init, .fini: [endbr64] sub rsp,8 … add rsp,8; ret */
static void add_section(const struct elf_file *file, const char *name, const struct eh_frame *frame,
			struct start_code *code)
{
	static const uint8_t head[] = {0x48, 0x83, 0xec, 8}, tail[] = {0x48, 0x83, 0xc4, 8, RET};
	struct elf_section s;
	size_t at;

	if (elf_file_section(file, name, &s) || !is_near(&s) ||
	    s.size < sizeof(head) + sizeof(tail))
		return;
	at = memcmp(s.data, endbr64, sizeof(endbr64)) ? 0 : sizeof(endbr64);
	if (s.size - at < sizeof(head) + sizeof(tail) ||
	    memcmp(s.data + at, head, sizeof(head)) != 0 ||
	    memcmp(s.data + s.size - sizeof(tail), tail, sizeof(tail)) != 0 ||
	    !is_uncovered(frame, s.address, s.address + s.size))
		return;
	add(code, s.address, frameless);
	add(code, s.address + at + sizeof(head), one_word);
	add(code, s.address + s.size - 1, frameless);
	add(code, s.address + s.size, no_rule);
}

/* __do_global_dtors_aux as offsets in .text. */
struct dtors {
	size_t begin, push, pop, end;
};

/* [endbr64] cmpb $0,completed(rip); jne done; push rbp; … pop rbp; ret; … done: [repz] ret */
static bool match_dtors(const struct elf_section *s, size_t at, struct dtors *ret)
{
	const uint8_t *p = s->data + at;
	size_t done;

	if (s->size - at < 10 || p[0] != 0x80 || p[1] != 0x3d || p[6] != 0 || p[7] != 0x75 ||
	    p[8] >= 0x80 || p[9] != PUSH_RBP)
		return false;
	done = at + 9 + p[8];
	done += done < s->size && s->data[done] == 0xf3;
	if (done >= s->size || s->data[done] != RET)
		return false;
	*ret = (struct dtors){.begin = at, .push = at + 9, .end = done + 1};
	if (at >= sizeof(endbr64) && !memcmp(p - sizeof(endbr64), endbr64, sizeof(endbr64)))
		ret->begin -= sizeof(endbr64);
	for (size_t i = ret->push + 1; i + 1 < done; i++)
		if (s->data[i] == 0x5d && s->data[i + 1] == RET)
			ret->pop = i;
	return ret->pop;
}

/* Nothing in [from, to) pushes rbp; some other code's byte that only looks like it costs no more than the rows. */
static bool is_frameless(const struct elf_section *s, size_t from, size_t to)
{
	return !memchr(s->data + from, PUSH_RBP, to - from);
}

/* The rows of crtbegin.o's functions, as far as they lie in [from, to), where no FDE is. */
static void add_crtbegin(const struct elf_section *s, const struct dtors *d, size_t from, size_t to,
			 struct start_code *code)
{
	size_t begin = d->begin, end = d->end;

	if (begin - from > CLONES_BYTES)
		from = begin - CLONES_BYTES;
	if (to - end > DUMMY_BYTES)
		to = end + DUMMY_BYTES;
	if (is_frameless(s, from, begin))
		begin = from;
	if (is_frameless(s, end, to))
		end = to;
	add(code, s->address + begin, frameless);
	add(code, s->address + d->push + 1, pushed_rbp);
	add(code, s->address + d->pop + 1, frameless);
	add(code, s->address + end, no_rule);
}

/* Looks through [from, to) of .text, which has no FDE. */
static bool search_gap(const struct elf_section *s, size_t from, size_t to, struct start_code *code)
{
	struct dtors dtors;

	for (size_t at = from; at + 10 <= to; at++)
		if (match_dtors(s, at, &dtors) && dtors.begin >= from && dtors.end <= to) {
			add_crtbegin(s, &dtors, from, to, code);
			return true;
		}
	return false;
}

static void add_text(const struct elf_file *file, const struct eh_frame *frame,
		     struct start_code *code)
{
	struct elf_section s;
	uint64_t end, from;

	if (elf_file_section(file, ".text", &s) || !is_near(&s))
		return;
	end = s.address + s.size;
	from = s.address;
	for (size_t i = 0; i < frame->fde_count && from < end; i++) {
		const struct eh_fde *fde = &frame->fdes[i];
		uint64_t to = fde->start < end ? fde->start : end;

		if (from < to && search_gap(&s, from - s.address, to - s.address, code))
			return;
		if (fde->end > from)
			from = fde->end;
	}
	if (from < end)
		search_gap(&s, from - s.address, s.size, code);
}

/* Sections stand in this order in what linkers write; where they don't, fewer rows are better than wrong ones. */
static void drop_descending(struct start_code *code)
{
	for (size_t i = 1; i < code->count; i++)
		if (code->rows[i].pc <= code->rows[i - 1].pc)
			code->count = i;
}

void start_code_find(const struct elf_file *file, const struct eh_frame *frame,
		     struct start_code *ret)
{
	ret->count = 0;
	add_section(file, ".init", frame, ret);
	add_text(file, frame, ret);
	add_section(file, ".fini", frame, ret);
	drop_descending(ret);
}
