/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a hunt first knew the name of what loses blocks: one line at log level info for each finding, and one more
 * when its state changes.
 *
 *	named after 2104 ms: state=leaking lost=9 stack=copy_request < serve_request < main
 *
 * The time counts from the attaching. Nothing is done, and nothing paid, unless that level is logged. Main thread.
 */
#ifndef HOLDFAST_CLI_NAMING_H
#define HOLDFAST_CLI_NAMING_H

#include "base/hashmap.h"
#include "session/session.h"

struct naming {
	struct map64 said; /* of sites and findings, with the state */
};

void naming_init(struct naming *naming);
void naming_done(struct naming *naming);

/* At each tick. What there is no memory for is not said. */
void naming_tick(struct naming *naming, struct session *session, const struct session_view *view);

#endif
