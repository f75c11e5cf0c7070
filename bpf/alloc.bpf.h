/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the probes on allocators' functions and those on calls of them share: arguments, and the events sent. */
#ifndef HOLDFAST_ALLOC_BPF_H
#define HOLDFAST_ALLOC_BPF_H

#include "thread.bpf.h"

/* The arguments by number; 6 and 7 (HF_ARG_NONE) read as 0. A copy, since a context pointer that was
 * computed at run time is refused. */
struct arguments {
	u64 values[8];
};

static __always_inline void arguments_get(const struct pt_regs *regs, struct arguments *a)
{
	a->values[0] = regs->di;
	a->values[1] = regs->si;
	a->values[2] = regs->dx;
	a->values[3] = regs->cx;
	a->values[4] = regs->r8;
	a->values[5] = regs->r9;
	a->values[6] = 0;
	a->values[7] = 0;
}

static __always_inline u64 argument(const struct arguments *a, u8 index)
{
	return a->values[index & 7];
}

static __always_inline struct hf_probe_cookie cookie_get(void *ctx)
{
	union {
		u64 word;
		struct hf_probe_cookie cookie;
	} u = {.word = bpf_get_attach_cookie(ctx)};

	return u.cookie;
}

/* The same, of spans. */
static __always_inline void send_alloc_of_spans(u8 function, const struct hf_inner *block)
{
	struct {
		struct hf_event_alloc alloc;
		u64 spans;
	} *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_ALLOC);
		return;
	}
	event_begin(&e->alloc.h, HF_EVENT_ALLOC | function << 8, sizeof(*e));
	e->alloc.address = block->address;
	e->alloc.size = block->size;
	e->alloc.stack = block->stack;
	e->spans = block->spans;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void send_alloc(u8 function, const struct hf_inner *block)
{
	struct hf_event_alloc *e;

	if (span_rules && block->spans) {
		send_alloc_of_spans(function, block);
		return;
	}
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_ALLOC);
		return;
	}
	event_begin(&e->h, HF_EVENT_ALLOC | function << 8, sizeof(*e));
	e->address = block->address;
	e->size = block->size;
	e->stack = block->stack;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void send_free(u8 function, u64 address, u32 flags)
{
	struct hf_event_free *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_FREE);
		return;
	}
	event_begin(&e->h, HF_EVENT_FREE | function << 8, sizeof(*e));
	e->address = address;
	e->flags = flags;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void send_undo(u8 function, u64 address)
{
	struct hf_event_undo *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_FREE);
		return;
	}
	event_begin(&e->h, HF_EVENT_UNDO | function << 8, sizeof(*e));
	e->address = address;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline u64 requested_bytes(const struct arguments *args,
					   struct hf_probe_cookie cookie)
{
	u64 size = argument(args, cookie.size_arg);

	/* A product that overflows makes the call fail, so its wrong size is never sent. */
	return cookie.count_arg == HF_ARG_NONE ? size : size * argument(args, cookie.count_arg);
}

/* What a call handed out: the value it returned, or what it stored through an argument. */
static __always_inline u64 result_of(u64 result, struct hf_probe_cookie cookie, u64 result_address)
{
	u64 address = 0;

	if (cookie.result_arg == HF_ARG_NONE)
		return result;
	if ((int)result == 0)
		hf_read_user(&address, sizeof(address), result_address);
	return address;
}

#endif
