/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the agent's processes run as where root starts them, and what is the agent's by then.
 *
 * The agent is the user that `user` names, else `holdfast` if this machine has such a user; else it stays uid 0, without a capability: its
 * store must belong to somebody who is there at the next start, and files of nobody's belong to everybody who is nobody. Broker and jobs
 * own no file: they are that user, else `nobody`.
 *
 * Started by anybody else, all stay who they are; with the capabilities of facts in README they do all the same.
 * Main thread, before there is another.
 */
#ifndef HOLDFAST_AGENT_PRIVILEGE_H
#define HOLDFAST_AGENT_PRIVILEGE_H

#include "agent/broker/confine.h"
#include "base/err.h"
#include "config/config.h"

struct privilege_users {
	struct confine_user agent, broker; /* uid 0: no other than now */
};

/* HF_E_CONFIG: there is no such user; HF_E_PERM: only root becomes another. */
int privilege_choose(const struct config *config, struct privilege_users *ret,
		     struct hf_error *error);
/*
 * Makes the store's directory, and gives it to the user with what the agent has made in it. Only root's, and only one that is an agent's already
 * (or was just made): another directory, and what else is in it, stays as it is. Best effort: who opens the store tells what is wrong.
 */
void privilege_prepare_store(const char *path, const struct confine_user *user);
/* Becomes that user and keeps, of all capabilities, the one that binds ports below 1024. */
int privilege_lower(const struct confine_user *user, struct hf_error *error);
/* The rest: no capability, and the agent's system calls. */
int privilege_drop(struct hf_error *error);

#endif
