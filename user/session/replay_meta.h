/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a recording's META block says about the session and its processes, put where a live session has it. */
#ifndef HOLDFAST_SESSION_REPLAY_META_H
#define HOLDFAST_SESSION_REPLAY_META_H

#include <stddef.h>
#include <stdint.h>

#include "session/session_internal.h"

/* Hostile JSON. Opens the accounts of processes that are new and no children. -EILSEQ: malformed; -ENOMEM. */
int replay_take_meta(struct session *session, const void *bytes, size_t size);

/* The @index-th process, made with @pid if it is the next. -EILSEQ: there is no such one. */
int replay_member(struct session *session, size_t index, uint32_t pid, struct member **ret);

#endif
