/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened: kept, and told to those who listen. */
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/store/events.h"
#include "base/clock.h"
#include "base/log.h"

static const char *severity_name(enum event_severity severity)
{
	static const char *const names[] = {
		[EVENT_INFO] = "info", [EVENT_WARNING] = "warning", [EVENT_CRITICAL] = "critical"};

	return names[severity];
}

static void log_event(const struct store_event *row, enum event_severity severity)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	strbuf_addstr(&line, row->kind);
	if (row->target) {
		strbuf_addch(&line, ' ');
		strbuf_add_printable(&line, row->target_name, strlen(row->target_name));
		strbuf_addf(&line, " (pid %d)", row->pid);
	}
	if (severity == EVENT_INFO)
		log_info("%s: %s", line.buf, row->text);
	else
		log_warn("%s: %s", line.buf, row->text);
}

void event_tell(struct agent *agent, const struct event *event)
{
	const struct agent_target *target = event->target;
	struct store_event row = {
		.time_ns = clock_wall_ns(),
		.kind = event->kind,
		.severity = severity_name(event->severity),
		.target = target ? target->id : 0,
		.pid = target ? target->watched->handle.key.pid : 0,
		.target_name = target ? target->name : "",
		.text = event->text,
		.detail = event->detail ? event->detail : "{}",
	};
	int err = store_add_event(agent->store, &row, &row.id);

	log_event(&row, event->severity);
	if (err)
		log_warn_err(err, "this event is not kept: %s", event->kind);
	else
		streams_pump(agent);
}

void event_operation(struct agent *agent, const struct agent_target *target, bool completed,
		     const char *operation, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;

	strbuf_addf(&detail, "{\"operation\":\"%s\"}", operation);
	event_tell(agent, &(struct event){
				  .kind = completed ? "MemoryOperationCompleted"
						    : "MemoryOperationStarted",
				  .target = target,
				  .text = text,
				  .detail = detail.buf,
			  });
}
