// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/parcel.h"

static const char *const severity_names[] = {
	[SEND_INFO] = "info",
	[SEND_WARNING] = "warning",
	[SEND_CRITICAL] = "critical",
};

const char *send_severity_name(enum send_severity severity)
{
	return severity_names[severity];
}
