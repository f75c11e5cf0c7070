// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/event_log.h"

#include <stdio.h>

#include "base/log.h"

void event_log_configure(const struct alert_log *rules)
{
	log_set_form(rules->format == ALERT_LOG_JSON ? LOG_FORM_JSON : LOG_FORM_LOGFMT);
	log_set_level((enum log_level)rules->level);
	log_set_debug((const char *const *)rules->debug.items, rules->debug.count);
}

static enum log_level level_of(enum send_severity severity)
{
	switch (severity) {
	case SEND_CRITICAL:
		return LOG_LEVEL_ERROR;
	case SEND_WARNING:
		return LOG_LEVEL_WARN;
	case SEND_INFO:
		break;
	}
	return LOG_LEVEL_INFO;
}

void event_log_write(const struct send_event *event)
{
	enum log_level level = level_of(event->severity);
	struct log_field fields[4];
	char pid[16];
	size_t count = 0;

	if (!log_enabled(level))
		return;
	fields[count++] = (struct log_field){"event", event->name};
	fields[count++] = (struct log_field){"severity", send_severity_name(event->severity)};
	if (event->target)
		fields[count++] = (struct log_field){"target", event->target};
	if (event->pid) {
		snprintf(pid, sizeof(pid), "%d", event->pid);
		fields[count++] = (struct log_field){"pid", pid};
	}
	log_write_fields(level, "event", event->text, fields, count);
}
