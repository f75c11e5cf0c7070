/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what a session's rules for spans name, and tells the kernel side. Internal to session/. */
#ifndef HOLDFAST_SESSION_SPANS_H
#define HOLDFAST_SESSION_SPANS_H

#include "process/python/code.h"
#include "session/session_internal.h"

/* Probes the functions that the modules have which came since the last call. Main thread. */
void spans_update(struct session *session, struct member *member);
/* After an exec. */
void spans_forget(struct session *session, struct member *member);

/* python_seen_fn: is it a span? On the ingest thread. @user: the struct session. */
uint32_t spans_on_python(void *user, const struct python_seen *seen);

/* What each span holds, and what is not known of them. */
int spans_build(const struct session *session, struct report_builder *builder);

#endif
