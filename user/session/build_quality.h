/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a report that are facts about the run: target, processes, capture, quality, memory. */
#ifndef HOLDFAST_SESSION_BUILD_QUALITY_H
#define HOLDFAST_SESSION_BUILD_QUALITY_H

#include "report/builder.h"
#include "session/session_internal.h"

int build_facts(struct session *session, const struct build_options *options,
		struct report_builder *builder);

#endif
