/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <errno.h>
#include <string.h>

static const char *const frame_kinds[] = {
#define X(upper, name) name,
	REPORT_FRAME_KINDS(X)
#undef X
};

static const char *const capture_modes[] = {
#define X(upper, name) name,
	REPORT_CAPTURE_MODES(X)
#undef X
};

const char *frame_kind_name(enum frame_kind kind)
{
	return (unsigned int)kind < FRAME_KIND_COUNT ? frame_kinds[kind] : "";
}

int frame_kind_parse(const char *name, enum frame_kind *ret_kind)
{
	for (unsigned int i = 0; i < FRAME_KIND_COUNT; i++) {
		if (!strcmp(frame_kinds[i], name)) {
			*ret_kind = (enum frame_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *capture_mode_name(enum capture_mode mode)
{
	return (unsigned int)mode < CAPTURE_MODE_COUNT ? capture_modes[mode] : "";
}

int capture_mode_parse(const char *name, enum capture_mode *ret_mode)
{
	for (unsigned int i = 0; i < CAPTURE_MODE_COUNT; i++) {
		if (!strcmp(capture_modes[i], name)) {
			*ret_mode = (enum capture_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool report_target_ended(const struct report *report)
{
	for (size_t i = 0; i < report->process_count; i++)
		if (report->processes[i].pid == report->target.pid)
			return *report->processes[i].ended;
	return false;
}

const char *report_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
