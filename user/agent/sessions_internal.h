/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session in numbers and words: as the store keeps it and as the API shows it. */
#ifndef HOLDFAST_AGENT_SESSIONS_INTERNAL_H
#define HOLDFAST_AGENT_SESSIONS_INTERNAL_H

#include "agent/sessions.h"
#include "agent/store/sessions.h"
#include "base/strbuf.h"

/* The store's row of a session; texts are the session's, and @detail's: what is known of it now, with the leaks that were seen since it began. */
void session_fill_row(const struct agent_session *session, struct strbuf *detail,
		      struct store_session *ret);
/* The members of its object. */
void session_row_put_json(const struct store_session *row, struct json_out *json);

#endif
