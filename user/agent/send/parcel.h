/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parcel.h - the things that are sent, as those describe them who have them, and what is told of each receiver. Who
 * sends them: send.h.
 *
 * Plain data; texts are the caller's and are copied. Times are wall times, in ns since 1970.
 */
#ifndef HF_AGENT_SEND_PARCEL_H
#define HF_AGENT_SEND_PARCEL_H

#include <stddef.h>
#include <stdint.h>

/* What a receiver's queue holds at most, and a table's rows before they go into the spool. */
#define SEND_QUEUE_COUNT 1000
#define SEND_QUEUE_BYTES (4u << 20)
#define SEND_ROWS_BYTES  (4u << 20)

enum send_severity { SEND_INFO, SEND_WARNING, SEND_CRITICAL };

/* "info", "warning", "critical" */
const char *send_severity_name(enum send_severity severity);

struct send_event {
	const char *name; /* "LeakDetected" */
	enum send_severity severity;
	const char *target; /* NULL: none */
	int pid;            /* 0: none */
	const char *text;
	const char *json; /* the whole event, as webhooks get it */
	size_t json_size;
};

struct send_alert {
	/* Labels: two alerts that have them all in common are one. NULL: without */
	const char *name; /* never NULL */
	enum send_severity severity;
	const char *target, *component, *leak;
	int pid; /* 0: without */
	/* Annotations; NULL: without */
	const char *summary, *description, *line, *recommendation;
	const char *web_path; /* behind options.web_url: of its page, begins with "/" */
	uint64_t starts_ns;   /* wall time */
	uint64_t ends_ns;     /* 0: it fires */
};

#define SEND_UNKNOWN UINT64_MAX

/* A process whose numbers are sent. */
struct send_target {
	const char *name;    /* service, where the configuration has none; never NULL */
	const char *version; /* of the program; NULL: what the configuration says, or "" */
	int pid;
	uint64_t started_ns; /* wall time */
};

struct send_sample {
	uint64_t time_ns; /* wall time */
	/* SEND_UNKNOWN where they are */
	uint64_t rss_bytes, pss_bytes, uss_bytes, vms_bytes, swap_bytes, heap_live_bytes;
};

struct send_site {
	const char *const *frames; /* functions, innermost first: they alone make the stack's id */
	size_t frame_count;
	const char *function; /* the one to show; NULL: the innermost */
	const char *line;     /* "cache.c:118"; NULL: unknown */
	uint64_t out_bytes, out_count, lost_bytes;
};

struct send_profile {
	uint64_t from_ns, until_ns; /* wall time */
	const void *bytes;          /* pprof, gzip */
	size_t size;
};

struct send_stats {
	const char *kind; /* "webhook", "alertmanager", "clickhouse", "pyroscope" */
	/* Scheme, host, port of its URL: the rest may be secret. Lives until the next send_configure(). */
	const char *place;
	/* Now: events, alerts that are due, batches, profiles. */
	uint64_t queued, queued_bytes;
	/* Requests; dropped: also what was lost before it became one. */
	uint64_t sent, retried, dropped;
	const char *last_error;   /* "": none yet. Lives until the loop turns */
	uint64_t last_error_ns;   /* wall time; 0: never */
	uint64_t last_success_ns; /* wall time; 0: never */
	uint64_t failures_in_a_row;
};

#endif
