/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records a session (.hfrec, <holdfast/record.h>).
 *
 *	recording_new(&recording);
 *	session_new() with recording_handler() as its recorder, session_attach(), session_launch()
 *	recording_begin(recording, session, path)	the file appears
 *	recording_tick(recording, session)		at each tick: memory readings, looks, losses
 *	session_detach(session)
 *	recording_finish(recording, session, err)	what became known, and names
 *
 * Main thread, but the handler. A file that can't be written ends the recording, not the session: recording_finish()
 * tells. Free it after the session.
 */
#ifndef HOLDFAST_SESSION_RECORDING_H
#define HOLDFAST_SESSION_RECORDING_H

#include <stdint.h>

#include "base/cleanup.h"
#include "session/session.h"

struct recording;

int recording_new(struct recording **ret);
void recording_free(struct recording *recording);
DEFINE_CLEANUP(struct recording *, recording_free);

const struct event_handler *recording_handler(const struct recording *recording);

/* -ELOOP: the path is a link; -EEXIST: no regular file; -errno. */
int recording_begin(struct recording *recording, struct session *session, const char *path);
void recording_tick(struct recording *recording, struct session *session);
/* The first failure since the beginning; 0: the recording is whole. */
int recording_finish(struct recording *recording, struct session *session);

/* Size of the file. */
uint64_t recording_bytes(const struct recording *recording);

#endif
