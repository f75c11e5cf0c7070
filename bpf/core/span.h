/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Keys of spans: what a value of Python says, and a key's hash. Pure: as core/python.h, whose hf_python_fetch() it uses.
 *
 * Nothing that is read is trusted: lengths are masked, and what is no text, bytes or number is told by its type's name.
 *
 * Sources: Include/cpython/unicodeobject.h, longintrepr.h (3.11), Include/internal/pycore_long.h (3.12, 3.13).
 */
#ifndef HOLDFAST_BPF_CORE_SPAN_H
#define HOLDFAST_BPF_CORE_SPAN_H

#include <holdfast/span.h>

#include "python.h"

#define HF_SPAN_MULTIPLIER 0x9E3779B97F4A7C15ull
#define HF_SPAN_KEY_MOST   (HF_SPAN_KEY_BYTES - 1)

#define HF_FRAME_LOCALS   72
#define HF_OBJECT_TYPE    8
#define HF_TYPE_NAME      24
#define HF_TYPE_FLAGS     168
#define HF_INT_DIGITS     24
#define HF_BYTES_TEXT     32
#define HF_STR_STATE      32
#define HF_FLAG_INT       (1u << 24)
#define HF_FLAG_BYTES     (1u << 27)
#define HF_FLAG_STR       (1u << 28)
#define HF_STATE_COMPACT  (1u << 5)
#define HF_STATE_ASCII    (1u << 6)
#define HF_INT_DIGIT_BITS 30

static HF_INLINE __u64 hf_span_word(const struct hf_span_key *key, __u32 rule)
{
	__u64 hash = key->bytes | (__u64)key->kind << 32 | (__u64)key->cut << 40;

	for (__u32 i = 0; i < HF_SPAN_KEY_BYTES / 8; i++) {
		hash = (hash ^ key->words[i]) * HF_SPAN_MULTIPLIER;
		hash ^= hash >> 29;
	}
	hash &= HF_SPAN_HASH;
	if (hash == HF_SPAN_MORE)
		hash = 1;
	return hash | (__u64)rule << HF_SPAN_RULE_SHIFT;
}

static HF_INLINE void hf_span_key_clear(struct hf_span_key *key)
{
	for (__u32 i = 0; i < HF_SPAN_KEY_BYTES / 8; i++)
		key->words[i] = 0;
	key->bytes = 0;
	key->kind = HF_SPAN_KEY_NONE;
	key->cut = 0;
	key->reserved = 0;
}

static HF_INLINE void hf_span_key_number(struct hf_span_key *key, __u64 number)
{
	key->words[0] = number;
	key->bytes = 8;
	key->kind = HF_SPAN_KEY_NUMBER;
}

static HF_INLINE void hf_span_key_copy(struct hf_span_key *key, __u8 kind, __u64 address,
				       __u64 bytes)
{
	__u32 most = HF_SPAN_KEY_MOST & ~3u;

	if (bytes > most) {
		bytes = most;
		key->cut = 1;
	}
	bytes &= HF_SPAN_KEY_MOST;
	if (bytes && hf_python_fetch(key->words, bytes, address))
		return;
	key->kind = kind;
	key->bytes = bytes;
}

static HF_INLINE void hf_span_key_text(struct hf_span_key *key, int since_12, __u64 object,
				       __u64 count)
{
	__u32 state = 0, unit;

	if (hf_python_fetch(&state, sizeof(state), object + HF_STR_STATE) ||
	    !(state & HF_STATE_COMPACT))
		return;
	unit = state >> 2 & 7;
	if ((unit != 1 && unit != 2 && unit != 4) || count >> 32)
		return;
	object += state & HF_STATE_ASCII ? (since_12 ? 40 : 48) : (since_12 ? 56 : 72);
	hf_span_key_copy(key,
			 unit == 1   ? HF_SPAN_KEY_UCS1
			 : unit == 2 ? HF_SPAN_KEY_UCS2
				     : HF_SPAN_KEY_UCS4,
			 object, count * unit);
}

/* False: more than 60 bits. */
static HF_INLINE int hf_span_key_int(struct hf_span_key *key, int since_12, __u64 object,
				     __u64 head)
{
	__u32 digits[2] = {0, 0};
	__u64 count = head, value;
	int negative = (head & 3) == 2;

	if (since_12) {
		count = head >> 3;
	} else {
		negative = (__s64)head < 0;
		count = negative ? -head : head;
	}
	if (count > 2)
		return 0;
	if (count && hf_python_fetch(digits, sizeof(digits), object + HF_INT_DIGITS))
		return 0;
	value = count ? digits[0] : 0;
	if (count > 1)
		value |= (__u64)digits[1] << HF_INT_DIGIT_BITS;
	hf_span_key_number(key, negative ? -value : value);
	return 1;
}

static HF_INLINE void hf_span_key_type(struct hf_span_key *key, __u64 type)
{
	__u64 name = 0, end = 0;

	if (hf_python_fetch(&name, sizeof(name), type + HF_TYPE_NAME))
		return;
	/* Bytes behind its end are cut where they are shown; they are constant, too. */
	hf_span_key_copy(key, HF_SPAN_KEY_TYPE, name, 32);
	for (__u32 i = 0; i < 4; i++) {
		/* The lowest byte that is 0, and all above: away. */
		__u64 w = key->words[i], zero;

		zero = (w - 0x0101010101010101ull) & ~w & 0x8080808080808080ull;
		if (end)
			key->words[i] = 0;
		else if (zero)
			key->words[i] = w & (((zero & -zero) >> 7) - 1);
		end |= zero;
	}
}

/* @object: of Python. @head: its two words from its type on, @flags: its type's. */
static HF_INLINE void hf_span_key_object(struct hf_span_key *key, int since_12, __u64 object,
					 const __u64 *head, __u64 flags)
{
	if (flags & HF_FLAG_STR)
		hf_span_key_text(key, since_12, object, head[1]);
	else if (flags & HF_FLAG_BYTES)
		hf_span_key_copy(key, HF_SPAN_KEY_RAW, object + HF_BYTES_TEXT, head[1]);
	else if (!(flags & HF_FLAG_INT) || !hf_span_key_int(key, since_12, object, head[1]))
		hf_span_key_type(key, head[0]);
}

/* The key that a variable of a frame is: the value at its @slot. */
static HF_INLINE void hf_span_key_variable(struct hf_span_key *key, int since_12, __u64 frame,
					   __u32 slot, __u32 is_cell)
{
	__u64 object = 0, flags = 0, head[2] = {0, 0};

	hf_span_key_clear(key);
	if (slot == HF_SPAN_NO_SLOT) {
		key->kind = HF_SPAN_KEY_ALL;
		return;
	}
	if (hf_python_fetch(&object, sizeof(object), frame + HF_FRAME_LOCALS + 8 * slot) || !object)
		return;
	if (hf_python_fetch(head, sizeof(head), object + HF_OBJECT_TYPE) ||
	    hf_python_fetch(&flags, sizeof(flags), head[0] + HF_TYPE_FLAGS))
		return;
	/* Before the function's first instructions have made the cell, the value itself is there. */
	if (is_cell && !(flags & (HF_FLAG_STR | HF_FLAG_BYTES | HF_FLAG_INT))) {
		object = head[1];
		if (!object || hf_python_fetch(head, sizeof(head), object + HF_OBJECT_TYPE) ||
		    hf_python_fetch(&flags, sizeof(flags), head[0] + HF_TYPE_FLAGS))
			return;
	}
	hf_span_key_object(key, since_12, object, head, flags);
}

#endif
