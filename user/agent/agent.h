/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: watches this machine's targets until it is told to end, keeps what it saw, and answers questions about it.
 *
 * One thread, one loop. What is dear or dangerous (tracing, looks at heaps, files and memory of targets) happens in jobs, processes of their
 * own (agent/broker/job.h); the agent reads /proc, its store and sockets.
 *
 *	SIGTERM, SIGINT		ends in order: jobs detach, sessions end, the store is committed
 *	SIGHUP			reads the configuration anew, all of it or nothing (so does POST /-/reload)
 */
#ifndef HOLDFAST_AGENT_AGENT_H
#define HOLDFAST_AGENT_AGENT_H

#include "base/err.h"
#include "config/config.h"

/*
 * Returns when it was ended: 0, or -errno with @error: HF_E_CONFIG, HF_E_CANTWRITE (store or address are not to be had), HF_E_PERM,
 * HF_E_INTERNAL. @cli: what command line and environment say; the file that it names is read here, and all that is
 * wrong with it is added to @problems.
 */
int agent_run(const struct config *cli, struct config_problems *problems, struct hf_error *error);

#endif
