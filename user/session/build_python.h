/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of the processes' interpreters of Python and their objects, into the report. Internal to session/. */
#ifndef HOLDFAST_SESSION_BUILD_PYTHON_H
#define HOLDFAST_SESSION_BUILD_PYTHON_H

#include "session/session_internal.h"

int build_python(const struct session *session, struct report_builder *builder);

#endif
