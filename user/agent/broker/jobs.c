/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What jobs do. Each runs in a process of its own, which ends afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/broker/confine.h"
#include "agent/broker/counter.h"
#include "agent/broker/job.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "process/proc/memory.h"
#include "report/export/export.h"
#include "session/collection.h"
#include "session/collector_place.h"
#include "session/session.h"

/* A budget bounds the events of a second, and of a window. */
#define RING_BYTES_PERCENT ((uint64_t)1 << 20) /* for each percent of a core */
#define RING_BYTES_LEAST   ((uint64_t)256 << 10)
#define RING_BYTES_MOST    ((uint64_t)4 << 20)
#define RING_BYTES_EXACT   ((uint64_t)16 << 20)

#define FREE_BYTES (64 << 10)
#define NEWS_NS    (10 * NS_PER_S) /* between reports that nobody asked for */
#define WEIGH_NS   (20 * NS_PER_S)

struct job {
	const struct job_request *request;
	const struct rules *rules;
	struct job_ends ends;
	struct job_channel channel;
	struct session *session;
	uint64_t reported_ns; /* since the session's beginning */
	uint64_t weighed_ns;  /* CLOCK_MONOTONIC: when its memory was read last */
	uint64_t memory_bytes, report_cpu_ns;
	enum verdict_state told; /* by the last report, if it was firm */
	bool asked, stopped;
	int err; /* the agent is not there any more */
};

static int write_packed(const void *user, struct sink *sink)
{
	return export_write(EXPORT_JSON, user, NULL, sink);
}

static int send_report(int fd, enum job_message kind, const struct report *report)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	int err = sink_pack(write_packed, report, &packed);

	return err ? err : job_send(fd, kind, packed.buf, packed.len);
}

static int on_message(void *user, uint32_t kind, const void *bytes, size_t size)
{
	struct job *job = user;
	double percent;

	if (kind == JOB_BUDGET && size == sizeof(percent)) {
		memcpy(&percent, bytes, size);
		session_set_budget(job->session, percent);
	}
	if (kind == JOB_LOOKS && size == 1)
		session_set_looks(job->session, *(const char *)bytes);
	job->asked |= kind == JOB_ASK_REPORT;
	job->stopped |= kind == JOB_STOP;
	return 0;
}

/* Non-zero ends the session's run. */
static int on_readable(void *user, uint32_t events)
{
	struct job *job = user;
	int err = job_channel_read(&job->channel, on_message, job);

	(void)events;
	if (err)
		job->err = err;
	return job->err || job->stopped;
}

static uint64_t own_cpu_ns(void)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	return clock_process_cpu_ns() + clock_usage_ns(&children);
}

static void weigh(struct job *job)
{
	struct process_memory memory;
	uint64_t now_ns = clock_now_ns();

	if (job->weighed_ns && now_ns - job->weighed_ns < WEIGH_NS)
		return;
	job->weighed_ns = now_ns;
	if (!process_memory_read(getpid(), true, &memory))
		job->memory_bytes = memory.pss_bytes;
}

static int send_tick(struct job *job, const struct session_view *view)
{
	const struct job_tick tick = {
		.heap_live_bytes = view->held.bytes - view->held.stack_bytes,
		.events = view->events,
		.lost_events = view->lost_events,
		.overhead_percent = view->overhead_percent,
		.cpu_ns = own_cpu_ns(),
		.report_ns = job->report_cpu_ns,
		.memory_bytes = job->memory_bytes,
	};

	return job_send(job->channel.fd, JOB_TICK, &tick, sizeof(tick));
}

static enum verdict_state firm_state(const struct session_view *view)
{
	return view->verdict && verdict_is_firm(view->verdict) ? view->verdict->state
							       : VERDICT_WATCHING;
}

/* Whoever asks now and then is not to be late for it. */
static bool has_news(const struct job *job, const struct session_view *view)
{
	enum verdict_state state = firm_state(view);

	return state != job->told &&
	       (state == VERDICT_LEAKING || state == VERDICT_LOST || state == VERDICT_GROWING) &&
	       view->elapsed_ns >= job->reported_ns + NEWS_NS;
}

static int send_interim(struct job *job, const struct session_view *view)
{
	struct report *report = NULL;
	uint64_t before_ns = own_cpu_ns();
	int err = session_interim_report(job->session, job->request->site_max, &report);

	if (err == -EAGAIN) /* too early; the next tick tries again */
		return 0;
	if (!err)
		err = send_report(job->channel.fd, JOB_REPORT, report);
	report_free(report);
	session_release(job->session);
	job->report_cpu_ns = own_cpu_ns() - before_ns;
	job->reported_ns = view->elapsed_ns;
	job->told = firm_state(view);
	job->asked = false;
	return err;
}

static bool on_tick(void *user, struct session *session, const struct session_view *view)
{
	struct job *job = user;

	(void)session;
	weigh(job);
	job->err = send_tick(job, view);
	if (!job->err && (job->asked || has_news(job, view)))
		job->err = send_interim(job, view);
	return job->err || job->stopped ||
	       (job->request->until_firm && view->verdict && verdict_is_firm(view->verdict));
}

static int count_runs(void *user)
{
	const struct job *job = user;

	return counter_enable(job->ends.counter_fd);
}

static uint64_t ring_bytes(const struct job_request *request)
{
	double bytes = request->budget_percent * RING_BYTES_PERCENT;

	if (request->exact)
		return RING_BYTES_EXACT;
	return bytes < RING_BYTES_LEAST  ? RING_BYTES_LEAST
	       : bytes > RING_BYTES_MOST ? RING_BYTES_MOST
					 : (uint64_t)bytes;
}

static int trace(struct job *job, struct hf_error *error)
{
	const struct job_request *request = job->request;
	const struct session_options options = {
		.interval_ns = request->interval_ns,
		.memory_bytes = request->memory_bytes,
		.ring_bytes = ring_bytes(request),
		.lean = true,
		.patient = !request->until_firm, /* who waits for a verdict has no patience */
		.turn_fd = job->ends.turn_fd,
		.looks_percent = request->looks_percent,
		.budget_percent = request->budget_percent,
		.exact = request->exact,
		.faults = request->faults,
		.off = request->off,
		.follow = request->follow,
		.looks = request->looks,
		.objects_go_on = request->objects_go_on,
		.no_stop = !request->max_stop_ns,
		.max_stop_ns = request->max_stop_ns,
		.tool_version = HF_VERSION,
		.components = request->components ? job->rules->components
						  : (struct component_rules){0},
		.spans = request->spans ? job->rules->spans : (struct span_rules){0},
		.count_runs = count_runs,
		.count_user = job,
	};
	enum session_end end;
	int err = session_new(&options, &job->session, error);

	/* Until here nothing of the target was touched, and the costs of probes were measured as without a filter. */
	if (!err)
		err = confine_calls(CONFINE_TRACE);
	if (!err)
		session_set_looks(job->session, !request->looks_wait);
	if (!err)
		err = session_attach(job->session, request->key.pid, error);
	/* The pid was checked before: it is still that process only if it is so now. */
	if (!err && process_key_check(request->key))
		err = error_set(error, HF_E_NOPID, "process %d has ended", request->key.pid);
	if (!err)
		err = job_send(job->channel.fd, JOB_STARTED, NULL, 0);
	malloc_trim(0);
	if (!err)
		err = session_add_fd(job->session, job->channel.fd, on_readable, job);
	if (!err)
		err = session_run(job->session, request->for_ns, on_tick, job, &end);
	return err ? err : job->err;
}

/* Many run at once: what is free goes back to the system, and threads share one heap. */
static void keep_little(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, FREE_BYTES);
	mallopt(M_TRIM_THRESHOLD, FREE_BYTES);
}

static int job_trace(struct job *job, struct hf_error *error)
{
	struct report *report = NULL;
	int err;

	keep_little();
	job->told = VERDICT_WATCHING;
	job_channel_init(&job->channel, job->ends.fd);
	err = trace(job, error);
	if (!err) {
		session_detach(job->session);
		err = session_report(job->session, &report, error);
	}
	if (!err)
		err = send_report(job->ends.fd, JOB_LAST_REPORT, report);
	report_free(report);
	session_free(job->session);
	strbuf_done(&job->channel.in);
	return err;
}

static int job_collect(struct job *job, struct hf_error *error)
{
	const struct job_request *request = job->request;
	const struct collection_options options = {
		.trim = request->trim,
		.wait_ns = request->wait_ns,
		.max_stop_ns = request->max_stop_ns,
		.memory_bytes = request->memory_bytes,
	};
	struct collection collection;
	int err = collection_run(&options, request->key.pid, &collection, error);

	return err ? err : job_send(job->ends.fd, JOB_COLLECTION, &collection, sizeof(collection));
}

static int job_place(struct job *job, struct hf_error *error)
{
	struct collector_place place;
	int err = collector_place_find(job->request->key, &place, error);

	return err ? err : job_send(job->ends.fd, JOB_COLLECTOR, &place, sizeof(place));
}

/* What each kind may do, and whether it counts runs. */
static const struct {
	int (*run)(struct job *job, struct hf_error *error);
	enum confine_role role;
	bool traces;
} kinds[] = {
	[JOB_TRACE] = {job_trace, CONFINE_TRACE, true},
	[JOB_COLLECT] = {job_collect, CONFINE_COLLECT, false},
	[JOB_PLACE] = {job_place, CONFINE_COLLECT, false},
};

/*
 * Where memory runs out, a job goes before its target does: also its children, which may not say so themselves any more. The file belongs
 * to root, as long as this process may not be dumped.
 */
static void give_way_in_need(void)
{
	int fd, dumpable = prctl(PR_GET_DUMPABLE);

	prctl(PR_SET_DUMPABLE, 1);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
	prctl(PR_SET_DUMPABLE, dumpable);
}

/* A trace has more to do before its filter: see trace(). CAP_SYS_ADMIN is not there unless the broker has kept it. */
static int confine(struct job *job)
{
	enum confine_role role = kinds[job->request->kind].role;
	bool traces = kinds[job->request->kind].traces;
	int err = confine_capabilities(confine_wanted(role, traces));

	give_way_in_need();
	if (traces)
		return err;
	if (job->ends.counter_fd >= 0)
		close(job->ends.counter_fd);
	return err ? err : confine_calls(role);
}

void job_run(const struct job_request *request, const struct rules *rules,
	     const struct job_ends *ends)
{
	struct job job = {.request = request, .rules = rules, .ends = *ends};
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	int err = confine(&job);

	if (!err)
		err = kinds[request->kind].run(&job, &error);
	if (!err) {
		job_send(ends->fd, JOB_END, NULL, 0);
		return;
	}
	if (!error_is_set(&error))
		error_set_errno(&error, HF_E_INTERNAL, -err, "%s of process %d broke off: %s",
				job_kind_name((enum job_kind)request->kind), request->key.pid,
				strerror(-err));
	log_debug("%s", error.what.buf);
	job_send_error(ends->fd, &error);
}
