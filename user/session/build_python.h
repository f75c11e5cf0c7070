/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of the processes' interpreters of Python and their objects, into the report. Internal to session/. */
#ifndef HOLDFAST_SESSION_BUILD_PYTHON_H
#define HOLDFAST_SESSION_BUILD_PYTHON_H

#include "session/session_internal.h"

/* @verdict: NULL: none. */
int build_python(const struct session *session, const struct verdict *verdict,
		 struct report_builder *builder);

#endif
