/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One piece of work on one process, done in a process of its own: tracing, a forced collection, a look where Python's collector is. What a target does to it
 * (or it to itself, over the target's files and memory) stays there.
 *
 * The agent's end is a stream socket of messages {kind u32, size u32, bytes}, in host order: both ends are this program.
 *
 *	job -> agent	STARTED, then TICK (struct job_tick) every interval, REPORT (holdfast.report/1, gzip) when it is asked for or a verdict has become firm, LAST_REPORT,
 *			COLLECTION (struct collection), COLLECTOR (struct collector_place); at the end END or ERROR (three texts, each ended by NUL, after the error's code)
 *	agent -> job	ASK_REPORT, BUDGET (a double, percent), LOOKS (a byte: on or off), STOP
 *
 * An end of the stream without END or ERROR: it died.
 */
#ifndef HOLDFAST_BROKER_JOB_H
#define HOLDFAST_BROKER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "process/proc/process.h"
#include "session/rules.h"

/* X(upper, name): each has a line in the table of jobs.c. */
#define JOB_KINDS(X)        \
	X(TRACE, trace)     \
	X(COLLECT, collect) \
	X(PLACE, place)

enum job_kind {
#define X(upper, name) JOB_##upper,
	JOB_KINDS(X)
#undef X
		JOB_KIND_COUNT
};

const char *job_kind_name(enum job_kind kind);

/* Plain data: it goes through a socket. */
struct job_request {
	uint32_t kind; /* enum job_kind */
	struct process_key key;
	uint64_t interval_ns;  /* between TICKs */
	uint64_t for_ns;       /* 0: until STOP */
	double budget_percent; /* of one core */
	double looks_percent;  /* TRACE: session_options.looks_percent */
	uint64_t max_stop_ns;  /* of a look at the heap; 0: looks never stop it */
	uint64_t memory_bytes; /* the job's own */
	uint64_t wait_ns;      /* COLLECT: for a safe moment */
	uint32_t site_max;     /* of a REPORT; 0: all */
	uint32_t off;          /* TRACE: session_options.off */
	bool exact, faults, follow, trim;
	bool looks, looks_wait; /* at the heap, if ever; not before LOOKS says so */
	bool objects_go_on;     /* TRACE: as session_options */
	bool components, spans; /* TRACE: by the broker's rules */
	bool until_firm;        /* TRACE: ends with the first firm verdict */
};

enum job_message {
	JOB_STARTED = 1,
	JOB_TICK,
	JOB_REPORT,
	JOB_LAST_REPORT, /* the same, after which there is none: it was stopped, or its process has ended */
	JOB_COLLECTION,
	JOB_COLLECTOR, /* struct collector_place */
	JOB_ERROR,
	JOB_END,
	/* to the job */
	JOB_ASK_REPORT,
	JOB_BUDGET,
	JOB_LOOKS,
	JOB_STOP,
};

struct job_tick {
	uint64_t heap_live_bytes; /* since the job began; without stacks of threads */
	uint64_t events, lost_events;
	double overhead_percent;
	uint64_t cpu_ns;       /* that the job has taken itself, and its children */
	uint64_t report_ns;    /* of it, for the last report; 0: there was none */
	uint64_t memory_bytes; /* PSS of the job; 0: not known yet */
};

#define JOB_MESSAGE_MAX ((size_t)64 << 20)

/* All of it, or -errno; blocks. -EPIPE: nobody is there. -EMSGSIZE. */
int job_send(int fd, enum job_message kind, const void *bytes, size_t size);
int job_send_error(int fd, const struct hf_error *error);

/* The reading end. Bounded by JOB_MESSAGE_MAX and what is under way. */
struct job_channel {
	int fd; /* the channel's; closed by job_channel_done() */
	struct strbuf in;
};

/* @bytes: valid during the call, aligned for anything, ended by a NUL that is not counted. Non-zero ends the reading and is returned. */
typedef int (*job_message_fn)(void *user, uint32_t kind, const void *bytes, size_t size);

void job_channel_init(struct job_channel *channel, int fd);
void job_channel_done(struct job_channel *channel);
/* Reads what is there without waiting. 0: more may come; -EPIPE: the stream has ended; -EBADMSG: nonsense came; -errno. */
int job_channel_read(struct job_channel *channel, job_message_fn fn, void *user);
/* What JOB_ERROR said. */
void job_read_error(const void *bytes, size_t size, struct hf_error *ret);

struct job_ends {
	int fd;         /* what it sends goes there */
	int counter_fd; /* agent/broker/counter.h, or -1 */
	int turn_fd;    /* session/turn.h, shared by all jobs; 0: they don't take turns */
};

/* Does the work, in a process made for it. @rules: of the configuration. */
void job_run(const struct job_request *request, const struct rules *rules,
	     const struct job_ends *ends);

#endif
