/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.h - who this agent is to others: a copy of the configuration's fleet rules, with the host's name where none is
 * given.
 */
#ifndef HF_AGENT_SEND_IDENTITY_H
#define HF_AGENT_SEND_IDENTITY_H

#include "agent/send/parcel.h"
#include "config/agent_config.h"

/* 0 or -ENOMEM, with nothing to free. */
int identity_copy(const struct fleet_rule *from, struct fleet_rule *ret);
void identity_done(struct fleet_rule *identity);

const char *identity_service(const struct fleet_rule *identity, const struct send_target *target);
/* "" where nobody knows it */
const char *identity_version(const struct fleet_rule *identity, const struct send_target *target);

#endif
