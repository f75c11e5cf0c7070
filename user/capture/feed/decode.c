// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/feed/decode.h"

#include <errno.h>
#include <stdbool.h>

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

static const char *file_names(const struct hf_event_file *event)
{
	return (const char *)(event + 1);
}

/* The names come the file's own first. */
int event_file_path(const struct hf_event_file *event, struct strbuf *ret)
{
	const char *names = file_names(event);
	int err = 0;

	for (size_t end = event->names_bytes; !err && end;) {
		size_t start = end - 1;

		while (start && names[start - 1])
			start--;
		err = strbuf_addf(ret, "/%s", names + start);
		end = start;
	}
	return err;
}

uint64_t event_alloc_spans(const struct hf_event_alloc *event)
{
	return event->h.size_bytes > sizeof(*event) ? *(const uint64_t *)(event + 1) : 0;
}

static bool span_key_is_sound(const struct hf_event_span_key *event)
{
	return event->key.bytes <= HF_SPAN_KEY_BYTES && event->key.kind < HF_SPAN_KEY_KINDS &&
	       hf_span_rule_of(event->word) < HF_MAX_SPAN_RULES;
}

int event_check(const void *bytes, size_t size)
{
	const struct hf_event *event = bytes;
	const struct hf_event_stack *stack = bytes;
	const struct hf_event_file *file = bytes;
	uint64_t wanted;

	if (size < sizeof(*event) || event->size_bytes > size || event->kind == HF_EVENT_NONE ||
	    event->kind >= HF_EVENT_KIND_COUNT)
		return -EINVAL;
	wanted = kind_bytes[event->kind];
	if (event->size_bytes < wanted)
		return -EINVAL;
	if (event->kind == HF_EVENT_STACK) {
		if (stack->depth > HF_MAX_STACK_WORDS || event->detail >= HF_STACK_END_COUNT)
			return -EINVAL;
		wanted += stack->depth * sizeof(uint64_t);
	}
	if (event->kind == HF_EVENT_ALLOC && event->size_bytes > wanted)
		wanted += sizeof(uint64_t);
	if (event->kind == HF_EVENT_SPAN_KEY && !span_key_is_sound(bytes))
		return -EINVAL;
	if (event->kind == HF_EVENT_FILE) {
		if (!file->names_bytes || file->names_bytes > HF_MAX_PATH_BYTES)
			return -EINVAL;
		wanted += (file->names_bytes + 7u) & ~7u;
	}
	if (event->size_bytes != wanted)
		return -EINVAL;
	return event->kind == HF_EVENT_FILE && file_names(file)[file->names_bytes - 1] ? -EINVAL
										       : 0;
}
