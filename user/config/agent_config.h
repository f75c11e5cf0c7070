/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_config.h - what the agent is told beyond single settings: rules for targets, components and
 * spans, where alerts go, what is kept, the fleet; and what each mode and level means.
 *
 * These come from the YAML file only, read by the table in config/records.def: member by member, so
 * adding a key is a member here and a row there. `struct agent_config` is the member `agent` of
 * struct config, which owns all of it: the texts live until config_done(). A member that was not
 * given is NULL, or what its comment says. The contents have been checked: a glob is one, a regular
 * expression compiles, a user exists, a URL is http or https.
 *
 * Single settings (mode, listen, thresholds, …) are fields of struct config itself; see config.h.
 * Constant tables and plain data; any thread may read.
 */
#ifndef HF_CONFIG_AGENT_CONFIG_H
#define HF_CONFIG_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/vec.h"
#include "config/component_spec.h"
#include "config/options.h"
#include "config/span_spec.h"

/* In the order of the choices of `mode`, `level` and `enabled_backends` in options.def. */
enum agent_mode {
	AGENT_MODE_OFF,
	AGENT_MODE_BASIC,
	AGENT_MODE_STANDARD,
	AGENT_MODE_ADVANCED,
	AGENT_MODE_PRODUCTION,
	AGENT_MODE_DEBUG,
	AGENT_MODE_COUNT
};

enum agent_level {
	AGENT_LEVEL_LOW,
	AGENT_LEVEL_MEDIUM,
	AGENT_LEVEL_HIGH,
	AGENT_LEVEL_DETAILED,
	AGENT_LEVEL_COUNT
};

enum agent_backend {
	AGENT_BACKEND_TRACEMALLOC, /* Python allocations by line */
	AGENT_BACKEND_PYMPLER,     /* Python objects by type */
	AGENT_BACKEND_GC,          /* Python's collections */
	AGENT_BACKEND_SYSTEM,      /* memory of the process, from /proc */
	AGENT_BACKEND_PSUTIL,      /* the same, by the name that users know */
	AGENT_BACKEND_NATIVE,      /* malloc and free */
	AGENT_BACKEND_MMAP,        /* the program's own mappings */
	AGENT_BACKEND_FAULTS,      /* who makes the RSS grow */
	AGENT_BACKEND_COUNT
};

/* When the agent does something dearer than reading gauges. */
enum agent_when {
	AGENT_NEVER,
	AGENT_WHEN_PERSISTENT, /* growth has outlasted several trend windows */
	AGENT_WHEN_GROWING,    /* as soon as the growth interval lies above 0 */
	AGENT_WHEN_SUSPECTED, /* at the first sign: a trend that may be growth, a threshold crossed */
	AGENT_ALWAYS
};

/* What a mode does. */
struct agent_mode_row {
	const char *name;
	const char *help;
	enum agent_when traces; /* windows of tracing */
	enum agent_when scans;  /* looks at the heap */
	double budget_percent;  /* of the targets' speed at most; 0: nothing that costs them any */
	uint64_t max_stop_ns;   /* a scan stops its target at most this long; 0: it may not */
	bool gauges;            /* memory from /proc */
	bool mappings;          /* the mmap and faults backends may be used */
	bool components,
		python; /* spans, too: their probes cost the target; Python frames, lines and types */
	bool exact;     /* every call instead of windows, whatever it costs */
};

extern const struct agent_mode_row agent_mode_rows[AGENT_MODE_COUNT];

/* How long samples are kept at which resolution, and how much at most. */
struct retention {
	uint64_t raw_ns;     /* each sample */
	uint64_t minutes_ns; /* those of a minute each */
	uint64_t days_ns;    /* the coarsest */
	uint64_t profiles;   /* kept per target */
	uint64_t max_bytes;  /* of the store */
	size_t line, column; /* where it was given in the file; 0: nowhere */
};

#define AGENT_ALL_SITES UINT64_MAX

struct agent_level_row {
	const char *name;
	const char *help;
	uint64_t sites_max; /* kept of a snapshot, largest first; AGENT_ALL_SITES */
	struct retention retention;
};

extern const struct agent_level_row agent_level_rows[AGENT_LEVEL_COUNT];

/* A threshold or choice of a rule that was not given: the general one holds. */
#define RULE_INHERITS_BYTES UINT64_MAX
#define RULE_INHERITS_RATE  (-1.0)
#define RULE_INHERITS       (-1)

/* A process is a target if it meets all conditions of any rule; each rule has at least one. */
struct target_rule {
	char *name;                     /* label; NULL: the comm */
	char *comm, *exe;               /* globs */
	char *cmdline;                  /* POSIX extended regular expression, found anywhere */
	char *cgroup;                   /* glob */
	char *container;                /* the id or its beginning, lower-case hex */
	char *unit;                     /* glob */
	int64_t uid;                    /* -1: any */
	uint64_t pid;                   /* 0: any */
	uint64_t above_bytes;           /* RSS at least; 0: any */
	bool children;                  /* descendants of a match are targets, too */
	int mode;                       /* enum agent_mode, or RULE_INHERITS */
	int level;                      /* enum agent_level, or RULE_INHERITS */
	uint64_t warning_bytes;         /* RULE_INHERITS_BYTES; 0: none */
	uint64_t critical_bytes;        /* RULE_INHERITS_BYTES; 0: none */
	double growth_bytes_per_second; /* RULE_INHERITS_RATE; 0: none */
	size_t line, column;            /* where the rule begins in the file */
};

struct alert_webhook {
	char *url;    /* never NULL */
	char *secret; /* key of the HMAC signature; NULL: unsigned. Never to be shown */
};

struct alert_manager {
	char *url; /* never NULL: of the Alertmanager, without /api/v2/alerts */
};

enum alert_log_format { ALERT_LOG_LOGFMT, ALERT_LOG_JSON };

struct alert_log {
	int format;              /* enum alert_log_format */
	int level;               /* enum log_level */
	struct string_vec debug; /* parts of the program that log at level debug */
};

VEC_STRUCT(alert_webhook_vec, struct alert_webhook);
VEC_STRUCT(alert_manager_vec, struct alert_manager);

struct alert_rules {
	struct alert_webhook_vec webhooks;
	struct alert_manager_vec managers;
	struct alert_log log;
};

struct fleet_label {
	char *name, *value;
};

VEC_STRUCT(fleet_label_vec, struct fleet_label);

struct fleet_rule {
	char *clickhouse, *pyroscope;   /* URLs */
	char *service, *version, *host; /* labels; NULL: not given */
	struct fleet_label_vec labels;  /* names are unique */
	uint64_t interval_ns;           /* between two batches */
};

VEC_STRUCT(target_rule_vec, struct target_rule);
VEC_STRUCT(component_spec_vec, struct component_spec);
VEC_STRUCT(span_spec_vec, struct span_spec);

struct agent_config {
	struct target_rule_vec targets; /* in the file's order: the first match names a process */
	struct component_spec_vec components; /* in the file's order; none is named "other" */
	struct span_spec_vec spans;           /* names are unique */
	struct alert_rules alerts;
	struct retention
		retention; /* as written; 0: not given. config_retention() tells what holds */
	struct fleet_rule fleet;
};

/* Where `listen` points: "127.0.0.1:7654", "[::1]:7654", "unix:/run/holdfast/agent.sock". */
struct listen_address {
	struct sockaddr_storage address;
	socklen_t length;
	bool local; /* loopback or a unix socket: nobody from outside reaches it */
};

/* -EINVAL if it is no such address. */
int listen_address_parse(const char *text, struct listen_address *ret);

#define TOKEN_HASH_BYTES 32

/* The SHA-256 in the file that token_file names, 64 hex digits: 0, -EINVAL (something else is in it), or -errno of reading. */
int token_file_read(const char *path, uint8_t ret_hash[TOKEN_HASH_BYTES]);
/* The same of an open file, which is closed; @fd: or the -errno of opening it. */
int token_file_read_fd(int fd, uint8_t ret_hash[TOKEN_HASH_BYTES]);

#endif
