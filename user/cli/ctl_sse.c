// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ctl_sse.h"

#include <string.h>

/* Other fields than data, and comments, say nothing that the data does not. */
static void take_field(struct ctl_sse *sse)
{
	const char *value = sse->line.buf + 5;
	size_t length = sse->line.len - 5;

	if (sse->line.len < 5 || memcmp(sse->line.buf, "data:", 5) != 0)
		return;
	if (length && *value == ' ') {
		value++;
		length--;
	}
	if (length + 1 > CTL_SSE_MOST - sse->data.len) {
		sse->skip_event = true;
		return;
	}
	if (sse->data.len)
		strbuf_addch(&sse->data, '\n');
	strbuf_add(&sse->data, value, length);
}

static int end_event(struct ctl_sse *sse)
{
	int result = 0;

	if (sse->data.len && !sse->data.failed && !sse->skip_event)
		result = sse->event(sse->data.buf, sse->data.len, sse->user);
	strbuf_reset(&sse->data);
	sse->skip_event = false;
	return result;
}

static int end_line(struct ctl_sse *sse)
{
	bool blank = !sse->line.len && !sse->skip_line;
	int result = 0;

	if (sse->skip_line || sse->line.failed)
		sse->skip_event = true;
	else if (blank)
		result = end_event(sse);
	else
		take_field(sse);
	strbuf_reset(&sse->line);
	sse->skip_line = false;
	return result;
}

int ctl_sse_feed(struct ctl_sse *sse, const char *bytes, size_t size)
{
	int result = 0;

	for (size_t i = 0; !result && i < size; i++) {
		bool repeated = bytes[i] == '\n' && sse->after_return;

		sse->after_return = bytes[i] == '\r';
		if (repeated)
			continue;
		if (bytes[i] == '\n' || bytes[i] == '\r')
			result = end_line(sse);
		else if (sse->line.len >= CTL_SSE_MOST)
			sse->skip_line = true;
		else
			strbuf_addch(&sse->line, bytes[i]);
	}
	return result;
}

void ctl_sse_done(struct ctl_sse *sse)
{
	strbuf_done(&sse->line);
	strbuf_done(&sse->data);
}
