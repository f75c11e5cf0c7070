/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/frame_json.h"

#include <inttypes.h>
#include <stdio.h>

void json_frame(struct json_out *j, const struct report_frame *f)
{
	char address[24];

	/* a text: numbers beyond 2^53 do not survive every reader */
	snprintf(address, sizeof(address), "0x%" PRIx64, f->address);
	json_out_begin_object(j, NULL);
	json_out_string(j, "function", f->function);
	json_out_string(j, "file", f->file);
	json_out_u64(j, "line", f->line);
	json_out_string(j, "module", f->module);
	json_out_string(j, "build_id", f->build_id);
	json_out_string(j, "address", address);
	json_out_string(j, "kind", frame_kind_name(f->kind));
	json_out_end_object(j);
}
