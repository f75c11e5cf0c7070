/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Spans: what is allocated between the entry of a function and its end, on that thread, by the argument that names it.
 *
 * A span is known by a word: its rule's number above, below it a hash of its key. Which key that is, a SPAN_KEY event says,
 * before the word is used. The spans that an allocation belongs to, innermost first and each rule once, are a set, known by
 * a hash, whose words a SPANS event says; an ALLOC event names it.
 */
#ifndef HOLDFAST_SPAN_H
#define HOLDFAST_SPAN_H

#include <holdfast/types.h>

#define HF_MAX_SPAN_RULES 32
#define HF_MAX_OPEN_SPANS 16 /* on one thread; a power of two */
#define HF_MAX_HELD_SPANS 8  /* the same of those that a call of another function ends */
#define HF_MAX_SPAN_WORDS 8  /* of one allocation */
#define HF_MAX_SPAN_KEYS \
	4096 /* that are kept apart, of each rule; what comes later is one: HF_SPAN_MORE */
#define HF_MAX_SPAN_CODES  4096 /* functions of Python, copies included */
#define HF_MAX_SPAN_FRAMES 8    /* of Python, that are spans, of one stack; a power of two */
#define HF_SPAN_CODE_RULES 2    /* by which one function of Python may name spans */
#define HF_SPAN_KEY_BYTES  128  /* of a key that count and are told; a power of two */
#define HF_SPAN_SENT_SLOTS (1u << 14)

#define HF_SPAN_RULE_SHIFT 56
#define HF_SPAN_HASH       ((1ull << HF_SPAN_RULE_SHIFT) - 1)
#define HF_SPAN_MORE       0ull /* in place of the hash */

static inline __u32 hf_span_rule_of(__u64 word)
{
	return word >> HF_SPAN_RULE_SHIFT;
}

enum hf_span_key_kind {
	HF_SPAN_KEY_NONE = 0, /* there was no value, or it could not be read */
	HF_SPAN_KEY_RAW,      /* as they are, of a C string or bytes */
	HF_SPAN_KEY_UCS1,     /* characters of one, two, four bytes */
	HF_SPAN_KEY_UCS2,
	HF_SPAN_KEY_UCS4,
	HF_SPAN_KEY_NUMBER, /* 8 bytes, signed */
	HF_SPAN_KEY_TYPE, /* of Python, but neither text nor a number of 60 bits: its type's name */
	HF_SPAN_KEY_ALL,  /* the rule has no key: all are one */
	HF_SPAN_KEY_KINDS,
};

/* A key as it is read; what is not used is 0. */
struct hf_span_key {
	__u64 words[HF_SPAN_KEY_BYTES / 8];
	__u32 bytes;
	__u8 kind; /* enum hf_span_key_kind */
	__u8 cut;  /* there was more of it */
	__u16 reserved;
};

enum hf_span_op { HF_SPAN_ENTER, HF_SPAN_LEAVE };

#define HF_SPAN_NUMBER  1u /* the argument is one, else the address of a C string */
#define HF_SPAN_KEYLESS 8u /* all of the rule are one */
#define HF_SPAN_HELD    2u /* ends when a function is entered, not with the frame of this one */
#define HF_SPAN_JUMPS \
	4u /* the function may go on, by a jump, to code that is not known: its frame may be anybody's */

#define HF_MAX_SPAN_PLACES 1024
#define HF_SPAN_PARTS      6

/* A native span's probe; its cookie is the number of a place. */
struct hf_span_place {
	__u8 rule;
	__u8 op;       /* enum hf_span_op */
	__u8 argument; /* 0-5 */
	__u8 flags;    /* HF_SPAN_* */
	__u32 part_count;
	/* Code that its frame may be in: the function, what the compiler put elsewhere of it, what it goes on to by a jump. */
	struct {
		__s64 from; /* seen from its first instruction */
		__u64 bytes;
	} parts[HF_SPAN_PARTS];
};

/* What a code object of Python, by its mark, names spans by. */
struct hf_span_code {
	struct {
		__u16 slot;   /* among the frame's variables */
		__u8 rule;    /* HF_SPAN_NO_RULE: none */
		__u8 is_cell; /* an inner function uses the variable, too */
	} by[HF_SPAN_CODE_RULES];
};

#define HF_SPAN_NO_RULE 255u
#define HF_SPAN_NO_SLOT 65535u /* there is no key */

HF_STATIC_ASSERT(sizeof(struct hf_span_key) == HF_SPAN_KEY_BYTES + 8, "part of an event");
HF_STATIC_ASSERT(sizeof(struct hf_span_place) == 8 + 16 * HF_SPAN_PARTS, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_span_code) == 4 * HF_SPAN_CODE_RULES, "map layout");

#endif
