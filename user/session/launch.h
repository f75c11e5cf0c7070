/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `-- CMD`: starts a program so that its first allocation is seen. The child is traced by ptrace until its
 * libraries are mapped and nothing of them has run yet, then probed, then let go: from there on it is a
 * process like any other. It runs as the user who called sudo, its stdout on our stderr, in a process group
 * of its own (Ctrl-C is for us).
 */
#ifndef HOLDFAST_SESSION_LAUNCH_H
#define HOLDFAST_SESSION_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"
#include "session/session.h"

/* Starts @argv (NULL-terminated) and attaches. HF_E_NOFILE: it can't be run; else as session_attach(). */
int session_launch(struct session *session, char **argv, pid_t *ret_pid, struct hf_error *err);

/* SIGTERM, and SIGKILL after two seconds; reaps it. */
void session_end_command(pid_t pid);

#endif
