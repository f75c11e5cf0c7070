/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event_log.h - the log as the configuration wants it: its form, its level, which parts of the program speak at debug.
 *
 * Process-wide state of base/log.h: where there is one thread.
 */
#ifndef HF_AGENT_SEND_EVENT_LOG_H
#define HF_AGENT_SEND_EVENT_LOG_H

#include "agent/send/parcel.h"
#include "config/agent_config.h"

void event_log_configure(const struct alert_log *rules);
/* One line, component `event`, with event, severity, target and pid. send_event() does it, too. */
void event_log_write(const struct send_event *event);

#endif
