/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alert.h - an alert as Alertmanager's API v2 takes it (POST /api/v2/alerts): labels, annotations, times.
 *
 * Made once, shared by the receivers, never changed. Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_ALERT_H
#define HF_AGENT_SEND_ALERT_H

#include <stdbool.h>

#include "agent/send/parcel.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "config/agent_config.h"

struct alert {
	unsigned int users;
	char *key;    /* who it is: the labels that do not come from the agent's configuration */
	char *labels; /* JSON object */
	char *annotations; /* JSON object */
	char *link;        /* generatorURL; NULL: none */
	uint64_t starts_ns;
	uint64_t ends_ns; /* 0: it fires */
};

VEC_STRUCT(alert_vec, struct alert *);

/* What every alert says of where it comes from. */
struct alert_origin {
	const char *service; /* NULL: the target's name */
	const char *host;
	const char *web_url; /* NULL: no links */
	const struct fleet_label_vec *labels;
};

/* With one user, the caller. NULL: out of memory. */
struct alert *alert_new(const struct send_alert *from, const struct alert_origin *origin);
void alert_release(struct alert *alert);
DEFINE_CLEANUP(struct alert *, alert_release);
bool alert_is_same(const struct alert *a, const struct alert *b);
/* The object, as an element of the array that is posted. A firing one ends at expires_ns. 0 or -ENOMEM. */
int alert_add_json(struct strbuf *out, const struct alert *alert, uint64_t expires_ns);

#endif
