/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened: kept, and told to those who listen. */
#include "agent/store/events.h"
#include "agent/agent_internal.h"
#include "agent/event_json.h"
#include "base/clock.h"
#include "base/log.h"

/* To the log and to webhooks. */
static void send_out(const struct agent *agent, const struct store_event *row,
		     enum send_severity severity)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT;
	struct send_event sent = {
		.name = row->kind,
		.severity = severity,
		.target = row->target ? row->target_name : NULL,
		.pid = row->pid,
		.text = row->text,
	};

	event_add_json(row, &json);
	sent.json = json.buf;
	sent.json_size = json.len;
	if (!json.failed)
		send_event(agent->senders, &sent);
}

void event_tell(struct agent *agent, const struct event *event)
{
	const struct agent_target *target = event->target;
	const struct agent_job *job = event->job;
	struct store_event row = {
		.time_ns = clock_wall_ns(),
		.kind = event->kind,
		.severity = send_severity_name(event->severity),
		.target = target ? target->id
			  : job  ? job->target_id
				 : 0,
		.pid = target ? target->watched->handle.key.pid
		       : job  ? job->target_pid
			      : 0,
		.target_name = target ? target->name
			       : job  ? job->target_name
				      : "",
		.text = event->text,
		.detail = event->detail ? event->detail : "{}",
	};
	int err = store_add_event(agent->store, &row, &row.id);

	send_out(agent, &row, event->severity);
	if (err)
		log_warn_err(err, "this event is not kept: %s", event->kind);
	else
		streams_pump(agent);
}

void event_operation(struct agent *agent, const struct operation *operation, bool completed)
{
	_cleanup_(strbuf_done) struct strbuf detail = STRBUF_INIT;

	strbuf_addf(&detail, "{\"operation\":\"%s\"", operation->name);
	if (operation->session_id)
		strbuf_addf(&detail, ",\"session_id\":\"%s\"", operation->session_id);
	strbuf_addch(&detail, '}');
	event_tell(agent, &(struct event){
				  .kind = completed ? "MemoryOperationCompleted"
						    : "MemoryOperationStarted",
				  .target = operation->target,
				  .text = operation->text,
				  .detail = detail.buf,
			  });
}
