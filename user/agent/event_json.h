/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event as JSON: the same for pages, streams and webhooks. */
#ifndef HOLDFAST_AGENT_EVENT_JSON_H
#define HOLDFAST_AGENT_EVENT_JSON_H

#include "agent/store/events.h"
#include "base/strbuf.h"
#include "report/export/json_out.h"

/* The members of its object. */
void event_put_json(const struct store_event *event, struct json_out *json);
/* The whole object. */
void event_add_json(const struct store_event *event, struct strbuf *out);

#endif
