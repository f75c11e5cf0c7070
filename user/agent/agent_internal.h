/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share about the agent. Everything here belongs to its one thread. */
#ifndef HOLDFAST_AGENT_INTERNAL_H
#define HOLDFAST_AGENT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "account/gauge/trend.h"
#include "agent/alarm.h"
#include "agent/broker/broker.h"
#include "agent/http/http.h"
#include "agent/send/send.h"
#include "agent/store/store.h"
#include "agent/trace_plan.h"
#include "agent/watch/watch.h"
#include "base/loop.h"
#include "base/sha256.h"
#include "base/vec.h"
#include "config/config.h"
#include "report/report.h"
#include "session/collection.h"

#define AGENT_MIB 1048576.0

struct agent;
struct agent_target;
struct api_table;

/* A job under way (agent/broker/job.h). */
struct agent_job {
	struct agent *agent;
	struct agent_target *target; /* NULL: its target has ended */
	uint64_t target_id;
	int target_pid;
	char *target_name;
	pid_t pid; /* the job's own */
	enum job_kind kind;
	struct job_channel channel;
	uint64_t began_ns, heard_ns; /* CLOCK_MONOTONIC; when it said something last */
	struct job_tick tick;        /* the newest */
	bool stopping, ended;        /* STOP was said; END or ERROR came */
	bool started;                /* it has attached */
	bool goes_on;                /* TRACE: without a time of its own */
	bool scans;                  /* TRACE: the heap is looked at now */
	bool faults;
	uint32_t off;       /* TRACE: of its request, as faults */
	const char *reason; /* growth, session, request, ... of the profiles it makes */
	bool report_asked;  /* and it has not come yet */
	bool last;          /* the last report came */
	bool in_turn;       /* asked for one for nobody but us, and it has not come yet */
	uint64_t asked_ns, reported_ns; /* then; when one came last, or it began */
	uint64_t cpu_ns;                /* as of the last measurement of what we cost */
	uint64_t kept_ns,
		profile; /* CLOCK_MONOTONIC: when a profile was stored last; its id; 0: none was */
	/* Who waits for a collection, or NULL. */
	struct http_request *request;
};

VEC_STRUCT(agent_job_vec, struct agent_job *);

/* Memory of one component, by the newest profile. */
struct agent_component {
	char *name;
	uint64_t outstanding_bytes, peak_bytes;
	bool estimated;
	double growth_bytes_per_second;
};

VEC_STRUCT(agent_component_vec, struct agent_component);

#define AGENT_SPANS_MAX 4096 /* of a target, largest first; those beyond are counted */

/* What was allocated within a span that the newest trace saw. */
struct agent_span {
	char *name;      /* the rule's; owned, and key behind it */
	const char *key; /* found in the target: printable */
	uint64_t outstanding_bytes, outstanding_count, allocs, peak_bytes;
	uint64_t first_wall_ns, last_wall_ns; /* of the reports where it came up, and grew last */
	bool estimated;
};

VEC_STRUCT(agent_span_vec, struct agent_span);

/* What only jobs can tell. STORE_UNKNOWN: nobody has. */
struct agent_inside {
	uint64_t heap_live_bytes, heap_used_bytes, heap_free_bytes, heap_objects, gc_collections;
	double fragmentation_percent;
	char *python; /* version; NULL: no Python, or not known */
};

/* Where a target's collections are counted (gc_counts.c). */
struct agent_gc {
	bool known; /* where: at this address */
	uint64_t address;
	uint64_t again_ns; /* CLOCK_MONOTONIC: not looked for before; 0: at once */
	uint32_t execs;    /* watched->execs when it was looked for */
	unsigned int tries;
};

/* A watched process, as the agent sees it. */
struct agent_target {
	struct agent *agent;
	struct watched *watched;
	uint64_t id;      /* the store's */
	const char *name; /* the rule's, or its comm */
	struct target_settings settings;
	struct alarm_limits limits;
	struct alarm alarms[ALARM_KIND_COUNT];
	struct trend growth; /* over growth_window_ns */
	bool growth_known;
	uint64_t fitted_ns;
	uint64_t grows_since_ns; /* CLOCK_MONOTONIC: surely so from each look to the next; 0: it does not grow */
	struct trace_state trace;
	struct agent_job *job; /* TRACE; NULL: it is not traced */
	/* Of the newest trace: when it was over (CLOCK_MONOTONIC; 0: it is not, or there was none), what the heap held by its last word. */
	uint64_t trace_over_ns, trace_heap_bytes;
	struct agent_inside inside;
	struct agent_gc gc;
	struct agent_component_vec components;
	struct agent_span_vec spans;
	size_t spans_left_out; /* for there are too many */
	uint64_t profile;      /* newest; 0: none */
	unsigned int sessions; /* running on it */
	uint64_t sent_ns;      /* CLOCK_MONOTONIC: when a sample of it was sent last */
};

struct agent_session;
struct agent_leak;
VEC_STRUCT(agent_session_vec, struct agent_session *);
VEC_STRUCT(agent_leak_vec, struct agent_leak *);

struct agent_stream;
VEC_STRUCT(agent_stream_vec, struct agent_stream *);

struct agent_cost {
	uint64_t since_ns, cpu_ns; /* of the agent itself, when it was looked at last */
	double cpu_percent;
	double tracing_percent; /* what jobs cost their targets now */
	double jobs_percent; /* what they take of a core themselves, without their beginnings and ends */
	uint64_t own_bytes;    /* PSS of agent and broker */
	uint64_t memory_bytes; /* and of the jobs */
};

struct agent {
	const struct config *cli; /* what command line and environment say */
	struct config *config;    /* in force */
	struct loop *loop;
	struct broker *broker;
	struct target_rules *rules;
	struct process_watch *watch;
	struct store *store;
	struct api_table *routes;
	struct http_server *http;
	char token[SHA256_HEX_LENGTH + 1]; /* its hash; "": none is wanted */
	struct sender_set *senders;
	int pass_fd, upkeep_fd, signal_fd; /* timers and signals in the loop */
	uint64_t started_ns, started_wall_ns;
	uint64_t passes, interval_ns;
	struct agent_job_vec jobs;
	struct agent_session_vec sessions; /* running, or about to end */
	struct agent_leak_vec leaks;       /* active, and cleared ones that may come back */
	struct agent_stream_vec streams;
	struct agent_cost cost;
	uint64_t damaged_files; /* store_state() as it was */
	bool over_budget;
	uint64_t ended_targets; /* since the agent began */
	uint64_t oom_kills;     /* of them */
	int oom_err;            /* broker_sees_oom_kills(), at the start */
	uint64_t turn_ns;       /* when a job was asked for a report in turn */
	uint64_t report_cpu_ns; /* that the last report took of us */
};

/* agent.c: all or nothing. @problems: all that is wrong with the file. */
int agent_reload(struct agent *agent, struct config_problems *problems, struct hf_error *error);

/* target.c */
void target_came(void *agent, struct watched *watched);
void target_went(void *agent, struct watched *watched, const char *reason);
/* After the first pass: what ran when an agent before this one ended, and does not any more, has ended. */
void targets_reconcile(struct agent *agent);
/* The agent ends: the process goes on. */
void target_forget(struct watched *watched);
struct agent_target *agent_target(const struct watched *watched);
/* The version of its Python is known. */
void target_note_python(struct agent_target *target, const char *version);
/* By its id, running ones only; NULL. */
struct agent_target *target_by_id(const struct agent *agent, uint64_t id);
/* After each pass: growth, alarms, sample into the store. */
void target_judge(struct agent_target *target, uint64_t now_ns, uint64_t wall_ns);
/* Name, mode and thresholds by the rules that hold now, also in the store. */
void target_configure(struct agent_target *target);
const char *target_state_name(const struct agent_target *target);
double target_growth(const struct agent_target *target);
/* Surely, and by more than TRACE_GROWTH_LEAST. */
bool target_grows(const struct agent_target *target);
/* How far back "does it grow?" looks. */
uint64_t growth_window_ns(const struct agent *agent);

/* jobs.c */
int job_start(struct agent *agent, struct agent_target *target, const struct job_request *request,
	      const char *reason, struct agent_job **ret);
void job_stop(struct agent_job *job);
/* Those that do not speak any more are killed. */
void jobs_check(struct agent *agent, uint64_t now_ns);
void job_free(struct agent_job *job);

/* tracing.c: whom to trace now. */
void tracing_tick(struct agent *agent, uint64_t now_ns);
/* Somebody asks for it: for so long. 0, or HF_E_UNSUPPORTED: its mode does not. */
int tracing_ask(struct agent_target *target, uint64_t for_ns, struct hf_error *error);
/* What agent, broker and jobs take now; by the newest that these have told. */
void tracing_weigh(const struct agent *agent, struct trace_memory *ret);
/* Its mode traces at all. */
bool tracing_allowed(const struct agent_target *target);
/* It could not be traced, or its job died: not again for a while. */
void tracing_failed(struct agent_target *target, const struct hf_error *error);
/* Its trace has ended, in whatever way; the job is gone. */
void tracing_over(struct agent_target *target);

/* parts.c: what its components and spans hold, by a report of now; they are the target's. */
void target_take_parts(struct agent_target *target, const struct report *report, uint64_t wall_ns);
void target_forget_parts(struct agent_target *target);

/* profiles.c: a job's report came. */
void profile_take(struct agent_job *job, const void *bytes, size_t size);

/* leaks.c; the rest is in agent/leaks.h. Active ones: of @target, or 0: of all. */
size_t leaks_active(const struct agent *agent, uint64_t target);
/* Its process is gone, and what it leaked with it. @ended_ns: as the store has it. */
void leaks_target_went(struct agent *agent, uint64_t target, uint64_t ended_ns);

/* sessions.c; the rest is in agent/sessions.h. */
/* The target is gone; the trace of @target runs, or can't; a report of @job has come. */
void sessions_target_went(struct agent *agent, const struct agent_target *target);
void sessions_traced(struct agent *agent, const struct agent_target *target);
void sessions_reported(const struct agent_job *job);

/* events.c */
struct event {
	const char *kind; /* one of PRODUCT.md's, or ours */
	enum send_severity severity;
	const struct agent_target *target; /* NULL: none, or */
	const struct agent_job *job;       /* this one's, which is gone */
	const char *text;
	const char *detail; /* JSON object; NULL: {} */
};

/* Kept, and told to all who listen. */
void event_tell(struct agent *agent, const struct event *event);
/* MemoryOperationStarted and ...Completed. */
struct operation {
	const char *name;                  /* session, trace, gc */
	const struct agent_target *target; /* NULL: it is gone */
	const char *text;
	const char *session_id; /* NULL: no session's */
};
void event_operation(struct agent *agent, const struct operation *operation, bool completed);

/* api_events.c: what is new goes to all open streams. */
void streams_pump(struct agent *agent);

/* outlet.c: what leaves the agent besides events. */
void outlet_alarm(const struct agent_target *target, enum alarm_kind kind, uint64_t wall_ns);
/* The kernel killed it, for @text. @worst: its worst leak, or NULL. */
void outlet_oom(const struct agent_target *target, const struct agent_leak *worst, const char *text,
		uint64_t killed_ns);
/* Every pass; each target once in fleet.interval. */
void outlet_sample(struct agent_target *target, uint64_t now_ns, uint64_t wall_ns);
/* A report came; @kept: it is a profile from now on. */
void outlet_report(const struct agent_job *job, const struct report *report, bool kept);
/* It was found, goes on, or was cleared. */
void outlet_leak(const struct agent *agent, const struct agent_leak *leak);

/* api_actions.c: a collection is over. */
void gc_answer(struct agent_job *job, const struct collection *collection);

/* api.c: the routes, and the pages. */
int api_table_new(struct api_table **ret);
void api_table_free(struct api_table *table);
DEFINE_CLEANUP(struct api_table *, api_table_free);
const struct http_table *api_table_http(const struct api_table *table);

#endif
