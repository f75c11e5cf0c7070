// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/feed/decode.h"

#include <errno.h>

#include <holdfast/limits.h>

static const uint32_t kind_bytes[HF_EVENT_KIND_COUNT] = {
#define X(upper, lower) [HF_EVENT_##upper] = sizeof(struct hf_event_##lower),
	HF_EVENT_KINDS(X)
#undef X
};

const uint64_t *event_stack_pcs(const struct hf_event_stack *event)
{
	return (const uint64_t *)(event + 1);
}

int event_check(const void *bytes, size_t size)
{
	const struct hf_event *event = bytes;
	const struct hf_event_stack *stack = bytes;
	uint64_t wanted;

	if (size < sizeof(*event) || event->size_bytes > size || event->kind == HF_EVENT_NONE ||
	    event->kind >= HF_EVENT_KIND_COUNT)
		return -EINVAL;
	wanted = kind_bytes[event->kind];
	if (event->size_bytes < wanted)
		return -EINVAL;
	if (event->kind == HF_EVENT_STACK) {
		if (stack->depth > HF_MAX_FRAMES || event->detail >= HF_STACK_END_COUNT)
			return -EINVAL;
		wanted += stack->depth * sizeof(uint64_t);
	}
	return event->size_bytes == wanted ? 0 : -EINVAL;
}
