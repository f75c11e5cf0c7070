/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/frame_name.h"

#include <inttypes.h>

void frame_name(struct strbuf *sb, const struct report_frame *frame)
{
	const char *module = *frame->module ? report_basename(frame->module) : "[unknown]";

	if (!*frame->function)
		strbuf_addf(sb, "%s+0x%" PRIx64, module, frame->address);
	else if (frame->kind == FRAME_PYTHON && *frame->file)
		strbuf_addf(sb, "%s (%s)", frame->function, report_basename(frame->file));
	else
		strbuf_addstr(sb, frame->function);
}
