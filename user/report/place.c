// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/place.h"

#include <inttypes.h>
#include <string.h>

void report_add_place(struct strbuf *sb, const struct report_frame *frame)
{
	if (*frame->function) {
		strbuf_add_printable(sb, frame->function, strlen(frame->function));
	} else {
		const char *module = *frame->module ? report_basename(frame->module) : "unknown";

		strbuf_add_printable(sb, module, strlen(module));
		strbuf_addf(sb, "+0x%" PRIx64, frame->address);
	}
	if (*frame->file) {
		const char *file = report_basename(frame->file);

		strbuf_addstr(sb, " (");
		strbuf_add_printable(sb, file, strlen(file));
		if (frame->line)
			strbuf_addf(sb, ":%u", frame->line);
		strbuf_addch(sb, ')');
	}
}
