/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's end of the jobs: what they say is taken in, those that say nothing any more are ended. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/agent_internal.h"
#include "agent/gc_counts.h"
#include "agent/store/samples.h"
#include "base/clock.h"
#include "base/log.h"

/* Longer than the slowest step between two words of a job: symbols of a large program, looks at a large heap. */
#define SILENCE_NS (120 * NS_PER_S)
#define STOP_NS    (30 * NS_PER_S)

void job_free(struct agent_job *job)
{
	struct agent *agent = job->agent;

	if (job->channel.fd >= 0)
		loop_remove(agent->loop, job->channel.fd);
	job_channel_done(&job->channel);
	if (job->target && job->target->job == job)
		job->target->job = NULL;
	for (size_t i = 0; i < agent->jobs.count; i++) {
		if (agent->jobs.items[i] != job)
			continue;
		vec_remove_unordered(&agent->jobs, i);
		break;
	}
	free(job->target_name);
	free(job);
}

void job_stop(struct agent_job *job)
{
	if (job->stopping)
		return;
	job->stopping = true;
	job->heard_ns = clock_now_ns();
	job_send(job->channel.fd, JOB_STOP, NULL, 0);
}

static void take_tick(struct agent_job *job, const void *bytes, size_t size)
{
	if (size != sizeof(job->tick))
		return;
	memcpy(&job->tick, bytes, size);
	/* Without native allocations mappings are all, and no heap. */
	if (job->target && config_has_backend(job->agent->config, AGENT_BACKEND_NATIVE)) {
		job->target->inside.heap_live_bytes = job->tick.heap_live_bytes;
		job->target->trace_heap_bytes = job->tick.heap_live_bytes;
	}
}

static void take_report(struct agent_job *job, const void *bytes, size_t size)
{
	uint64_t before_ns = clock_thread_cpu_ns();

	profile_take(job, bytes, size);
	job->agent->report_cpu_ns = clock_thread_cpu_ns() - before_ns;
}

static void answer_collection(struct agent_job *job, const void *bytes, size_t size)
{
	struct collection collection;

	if (size != sizeof(collection) || !job->request)
		return;
	memcpy(&collection, bytes, size);
	gc_answer(job, &collection);
}

/* What a job could not do: the one who waits for it gets to know, else the log and the events do. */
static void take_error(struct agent_job *job, const void *bytes, size_t size)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	job_read_error(bytes, size, &error);
	job->ended = true;
	if (job->request) {
		http_answer_error(job->request, &error);
		job->request = NULL;
		return;
	}
	if (job->kind == JOB_PLACE) {
		gc_counts_failed(job, error.code);
		return;
	}
	/* That it ended is no failure. */
	if (error.code == HF_E_NOPID)
		return;
	log_info("%s of process %d: %s", job_kind_name(job->kind),
		 job->target ? job->target->watched->handle.key.pid : 0, error.what.buf);
	if (job->target)
		tracing_failed(job->target, &error);
}

static int on_message(void *user, uint32_t kind, const void *bytes, size_t size)
{
	struct agent_job *job = user;

	job->heard_ns = clock_now_ns();
	switch (kind) {
	case JOB_STARTED:
		job->started = true;
		if (job->target)
			sessions_traced(job->agent, job->target);
		break;
	case JOB_TICK:
		take_tick(job, bytes, size);
		break;
	case JOB_LAST_REPORT:
		job->last = true;
		/* fall through */
	case JOB_REPORT:
		job->in_turn = false;
		job->reported_ns = job->heard_ns;
		take_report(job, bytes, size);
		malloc_trim(0); /* a report read takes megabytes, for a moment */
		break;
	case JOB_COLLECTION:
		answer_collection(job, bytes, size);
		break;
	case JOB_COLLECTOR:
		gc_counts_take(job, bytes, size);
		break;
	case JOB_ERROR:
		take_error(job, bytes, size);
		break;
	case JOB_END:
		job->ended = true;
		break;
	default:
		return -EBADMSG;
	}
	return 0;
}

static void tell_death(struct agent_job *job)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	error_set(&error, HF_E_INTERNAL, "the %s of this process died", job_kind_name(job->kind));
	error_why(
		&error,
		"something in the process, or a bug of holdfast, ended the job that looked at it");
	log_warn("a %s job (pid %d) died", job_kind_name(job->kind), job->pid);
	if (job->request)
		http_answer_error(job->request, &error);
	job->request = NULL;
	if (job->target && job->kind != JOB_PLACE)
		tracing_failed(job->target, &error);
}

static void job_over(struct agent_job *job)
{
	struct agent_target *traced = job->kind == JOB_TRACE ? job->target : NULL;
	struct agent *agent = job->agent;

	if (!job->ended)
		tell_death(job);
	job_free(job);
	if (traced)
		tracing_over(traced);
	gc_counts_next(agent, clock_now_ns());
}

static int on_readable(void *user, uint32_t events)
{
	struct agent_job *job = user;
	int err = job_channel_read(&job->channel, on_message, job);

	(void)events;
	if (err)
		job_over(job);
	return 0;
}

int job_start(struct agent *agent, struct agent_target *target, const struct job_request *request,
	      const char *reason, struct agent_job **ret)
{
	struct agent_job *job = calloc(1, sizeof(*job));
	int fd, err = job ? vec_reserve(&agent->jobs, 1) : -ENOMEM;

	if (!err && !(job->target_name = strdup(target->name)))
		err = -ENOMEM;
	if (!err)
		err = broker_start(agent->broker, request, &job->pid, &fd);
	if (err) {
		if (job)
			free(job->target_name);
		free(job);
		return err;
	}
	job->target_pid = target->watched->handle.key.pid;
	job->agent = agent;
	job->target = target;
	job->target_id = target->id;
	job->kind = (enum job_kind)request->kind;
	job->reason = reason;
	job->began_ns = job->heard_ns = job->reported_ns = clock_now_ns();
	job_channel_init(&job->channel, fd);
	err = loop_add_fd(agent->loop, fd, EPOLLIN, on_readable, job);
	if (err) {
		job_channel_done(&job->channel);
		free(job->target_name);
		free(job);
		return err;
	}
	(void)vec_push(&agent->jobs, job);
	if (ret)
		*ret = job;
	return 0;
}

void jobs_check(struct agent *agent, uint64_t now_ns)
{
	for (size_t i = 0; i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];
		uint64_t limit_ns = job->stopping ? STOP_NS : SILENCE_NS;

		if (now_ns < job->heard_ns + limit_ns)
			continue;
		log_warn("a %s job (pid %d) says nothing any more, and is killed",
			 job_kind_name(job->kind), job->pid);
		broker_kill(agent->broker, job->pid);
		job->heard_ns = now_ns;
	}
}
