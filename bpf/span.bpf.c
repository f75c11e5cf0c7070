// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Spans: which are open on a thread, and which of them an allocation belongs to. Loaded, and called, only where there are
 * rules for them.
 *
 * A native one begins when its function is entered. It is open as long as that call's frame is on the stack: told by the
 * stack walk that is made for each allocation anyway, never by a return probe. The frame at which the walk comes by the
 * return address's place must be the function's own, or of one that it goes on to by a jump. So one that was left by longjmp or an exception is over.
 *
 * A span of Python is a frame on the Python stack, and so is over, or is not while another task of an event loop runs.
 */
#include "alloc.bpf.h"

static __always_inline struct hf_open_span *open_at(struct hf_thread *t, u32 index)
{
	barrier_var(index);
	return &t->open_spans[index & (HF_MAX_OPEN_SPANS - 1)];
}

static __always_inline void found(struct hf_thread *t, u64 word)
{
	u64 bit = 1ull << (hf_span_rule_of(word) & 63);
	u32 at = t->span_count;

	if (t->span_rules_found & bit)
		return;
	t->span_rules_found |= bit;
	if (at >= HF_MAX_SPAN_WORDS) {
		t->spans_lost = 1;
		return;
	}
	t->span_words[at & (HF_MAX_SPAN_WORDS - 1)] = word;
	t->span_count = at + 1;
}

/* Tells the key unless it was; the word that it is to be known by from here on. */
__noinline u64 span_word(struct hf_thread *t, u32 rule)
{
	struct hf_event_span_key *e;
	u32 *count = bpf_map_lookup_elem(&span_key_counts, &rule);
	u64 word;
	u64 more = (u64)rule << HF_SPAN_RULE_SHIFT | HF_SPAN_MORE;
	u8 one = 1;

	if (!t)
		return more;
	e = &t->span_key;
	word = hf_span_word(&e->key, rule);
	if (bpf_map_lookup_elem(&span_keys, &word))
		return word;
	if (!count || *(volatile u32 *)count >= HF_MAX_SPAN_KEYS)
		return more;
	if (bpf_map_update_elem(&span_keys, &word, &one, BPF_NOEXIST))
		return bpf_map_lookup_elem(&span_keys, &word) ? word : more;
	event_begin(&e->h, HF_EVENT_SPAN_KEY, sizeof(*e));
	e->word = word;
	if (bpf_ringbuf_output(&ring, e, sizeof(*e), wake_flags())) {
		count_loss(HF_LOSS_RING_FULL_STACK);
		bpf_map_delete_elem(&span_keys, &word);
		return word; /* told when it comes again */
	}
	__sync_fetch_and_add(count, 1);
	return word;
}

/* May a frame of the function that begins at @start have its pc there? */
static __always_inline int span_has_code(u32 number, u64 start, u64 pc)
{
	struct hf_span_place *place = bpf_map_lookup_elem(&span_places, &number);

	if (!place)
		return 0;
	for (u32 i = 0; i < HF_SPAN_PARTS && i < place->part_count; i++)
		if (pc - (start + place->parts[i].from) < place->parts[i].bytes)
			return 1;
	return place->flags & HF_SPAN_JUMPS ? 1 : 0;
}

static __always_inline bool is_frame_of(const struct hf_open_span *s, u64 pc, u64 return_pc)
{
	/* A return probe's address: that of others, put there after us. */
	if (return_pc != s->return_pc && (return_pc & 4095))
		return false;
	return span_has_code(s->place, s->start, pc);
}

__noinline int spans_pass(struct hf_thread *t, u64 pc, u64 caller_sp, u64 return_pc)
{
	if (!t)
		return 0;
	for (u32 i = 0; i < HF_MAX_OPEN_SPANS; i++) {
		u32 left = t->span_walk;
		struct hf_open_span *s = open_at(t, left - 1);

		if (!left || caller_sp <= s->sp)
			return 0;
		if (caller_sp == s->sp + 8 && is_frame_of(s, pc, return_pc))
			found(t, s->word);
		t->span_walk = left - 1;
	}
	return 0;
}

__noinline int span_variable(struct hf_thread *t, u64 frame, u32 slot, u32 is_cell)
{
	if (t)
		hf_span_key_variable(&t->span_key.key, t->span_style == HF_PYTHON_ENTRY_FRAME,
				     frame, slot, is_cell);
	return 0;
}

__noinline int spans_python(struct hf_thread *t)
{
	if (!t)
		return 0;
	for (u32 i = 0; i < HF_MAX_SPAN_FRAMES; i++) {
		struct hf_span_frame *f = &t->span_frames[i];
		struct hf_span_code *code;

		if (i >= t->span_frame_count)
			return 0;
		code = bpf_map_lookup_elem(&span_codes, &f->mark);
		for (u32 by = 0; code && by < HF_SPAN_CODE_RULES; by++) {
			u32 rule = code->by[by].rule;

			if (rule >= HF_MAX_SPAN_RULES || t->span_rules_found >> rule & 1)
				continue;
			span_variable(t, f->frame, code->by[by].slot, code->by[by].is_cell);
			found(t, span_word(t, rule));
		}
	}
	return 0;
}

/* What the walk did not come by, for it ended before: where the return address is still in its place. */
static __always_inline void take_unwalked(struct hf_thread *t)
{
	for (u32 i = 0; i < HF_MAX_OPEN_SPANS; i++) {
		struct hf_open_span *s = open_at(t, t->span_walk - 1);
		u64 there = 0;

		if (!t->span_walk)
			return;
		if (!hf_read_user(&there, sizeof(there), s->sp) && there == s->return_pc)
			found(t, s->word);
		t->span_walk--;
	}
}

static __always_inline void tell_set(struct hf_thread *t)
{
	u32 slot = t->span_set & (HF_SPAN_SENT_SLOTS - 1);
	u64 *sent = bpf_map_lookup_elem(&spans_sent, &slot);
	struct hf_event_spans *e;

	if (!sent || *(volatile u64 *)sent == t->span_set)
		return;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_STACK);
		return;
	}
	event_begin(&e->h, HF_EVENT_SPANS, sizeof(*e));
	e->set = t->span_set;
	for (u32 i = 0; i < HF_MAX_SPAN_WORDS; i++)
		e->words[i] = i < t->span_count ? t->span_words[i] : 0;
	bpf_ringbuf_submit(e, wake_flags());
	*(volatile u64 *)sent = t->span_set;
}

__noinline int spans_end(struct hf_thread *t)
{
	u64 hash = 0;

	if (!t)
		return 0;
	if (t->unwind.end != HF_STACK_COMPLETE)
		take_unwalked(t);
	for (u32 i = 0; i < HF_MAX_HELD_SPANS && i < t->held_span_count; i++)
		found(t,
		      t->held_spans[(t->held_span_count - 1 - i) & (HF_MAX_HELD_SPANS - 1)].word);
	for (u32 i = 0; i < HF_MAX_SPAN_WORDS && i < t->span_count; i++) {
		hash = (hash ^ t->span_words[i]) * HF_SPAN_MULTIPLIER;
		hash ^= hash >> 29;
	}
	t->span_set = t->span_count && !hash ? 1 : hash;
	if (t->span_set)
		tell_set(t);
	if (t->spans_lost)
		__sync_fetch_and_add(&span_losses, 1);
	t->spans_lost = 0;
	return 0;
}

/* With one too many the oldest goes: those that were never left crowd nobody out for ever. */
static __always_inline void hold(struct hf_thread *t, u64 word)
{
	u32 count = t->held_span_count;

	if (count >= HF_MAX_HELD_SPANS) {
		__sync_fetch_and_add(&span_losses, 1);
		for (u32 i = 0; i + 1 < HF_MAX_HELD_SPANS; i++)
			t->held_spans[i] = t->held_spans[i + 1];
		count = HF_MAX_HELD_SPANS - 1;
	}
	t->held_spans[count & (HF_MAX_HELD_SPANS - 1)].word = word;
	t->held_span_count = count + 1;
}

/* The innermost of the rule. */
static __always_inline void leave(struct hf_thread *t, u32 rule)
{
	u32 kept = 0, last = HF_MAX_HELD_SPANS;

	for (u32 i = 0; i < HF_MAX_HELD_SPANS && i < t->held_span_count; i++)
		if (hf_span_rule_of(t->held_spans[i].word) == rule)
			last = i;
	for (u32 i = 0; i < HF_MAX_HELD_SPANS && i < t->held_span_count; i++) {
		if (i == last)
			continue;
		t->held_spans[kept & (HF_MAX_HELD_SPANS - 1)] = t->held_spans[i];
		kept++;
	}
	t->held_span_count = kept;
}

/* Those above which the stack pointer has risen are over, and one at this very place, unless it went on to here by a jump. */
static __always_inline void drop_over(struct hf_thread *t, u64 sp, u64 return_pc, u64 start)
{
	for (u32 i = 0; i < HF_MAX_OPEN_SPANS; i++) {
		u32 count = t->open_span_count;
		struct hf_open_span *s = open_at(t, count - 1);

		if (!count || s->sp > sp ||
		    (s->sp == sp && s->start != start && s->return_pc == return_pc &&
		     span_has_code(s->place, s->start, start)))
			return;
		t->open_span_count = count - 1;
	}
}

static __always_inline void open_span(struct hf_thread *t, const struct pt_regs *regs, u32 place,
				      u64 word)
{
	struct hf_open_span *s;
	u64 return_pc = 0;

	hf_read_user(&return_pc, sizeof(return_pc), regs->sp);
	drop_over(t, regs->sp, return_pc, regs->ip);
	if (t->open_span_count >= HF_MAX_OPEN_SPANS) {
		__sync_fetch_and_add(&span_losses, 1);
		return;
	}
	s = open_at(t, t->open_span_count);
	s->sp = regs->sp;
	s->return_pc = return_pc;
	s->start = regs->ip;
	s->place = place;
	s->word = word;
	t->open_span_count++;
}

static __always_inline void read_key(struct hf_thread *t, u64 value, u8 flags)
{
	struct hf_span_key *key = &t->span_key.key;
	long bytes;

	hf_span_key_clear(key);
	if (flags & HF_SPAN_KEYLESS) {
		key->kind = HF_SPAN_KEY_ALL;
		return;
	}
	if (flags & HF_SPAN_NUMBER) {
		hf_span_key_number(key, value);
		return;
	}
	bytes = bpf_probe_read_user_str(key->words, HF_SPAN_KEY_BYTES, (const void *)value);
	if (bytes <= 0)
		return;
	key->kind = HF_SPAN_KEY_RAW;
	key->bytes = bytes - 1;
	key->cut = bytes == HF_SPAN_KEY_BYTES; /* or just as long */
}

SEC("uprobe")
int span_border(struct pt_regs *regs)
{
	u32 number = bpf_get_attach_cookie(regs);
	struct hf_span_place *place = bpf_map_lookup_elem(&span_places, &number);
	struct arguments args;
	struct hf_thread *t;
	u64 word;

	if (!span_rules || !place || !process_current() || gate_closed)
		return 0;
	t = thread_get();
	if (!t)
		return 0;
	if (place->op == HF_SPAN_LEAVE) {
		leave(t, place->rule);
		return 0;
	}
	arguments_get(regs, &args);
	read_key(t, argument(&args, place->argument), place->flags);
	word = span_word(t, place->rule & (HF_MAX_SPAN_RULES - 1));
	if (place->flags & HF_SPAN_HELD)
		hold(t, word);
	else
		open_span(t, regs, number, word);
	return 0;
}
