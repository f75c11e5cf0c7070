/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alertmanager.h - the alerts that one Alertmanager is to hear of, and when.
 *
 * Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_ALERTMANAGER_H
#define HF_AGENT_SEND_ALERTMANAGER_H

#include "agent/send/alert.h"
#include "agent/send/lane.h"

struct alertmanager;

/* The lane's URL is of the Alertmanager itself. Takes the lane over when it succeeds. */
int alertmanager_new(struct lane *lane, uint64_t resend_ns, struct alertmanager **ret_manager);
void alertmanager_free(struct alertmanager *manager);
DEFINE_CLEANUP(struct alertmanager *, alertmanager_free);

/* Takes a share in the alert, which replaces one that is the same. An end whose beginning it never heard is sent, too. */
void alertmanager_add(struct alertmanager *manager, struct alert *alert);
struct lane *alertmanager_lane(const struct alertmanager *manager);

#endif
