/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api_schemas.h"

#include <stddef.h>

static const struct http_answer_field reload_fields[] = {
	{.name = "reloaded", .type = "boolean", .help = "false: the old one stays"},
	{.name = "errors", .type = "object[]", .help = "all that is wrong: place, what, why"},
	{.name = NULL},
};

const struct http_schema schema_reload = {"Reload", "Whether the new configuration holds",
					  reload_fields};

static const struct http_answer_field health_fields[] = {
	{.name = "status", .type = "string", .help = "ok, warning or critical"},
	{.name = "memory", .type = "object", .help = "of the targets against their thresholds"},
	{.name = "leaks", .type = "object", .help = "how many are active"},
	{.name = "profiler", .type = "object", .help = "the agent itself: mode, store"},
	{.name = "checks", .type = "object[]", .help = "name, status, text of each"},
	{.name = NULL},
};

const struct http_schema schema_health = {"Health", "How everything is; 503 where it is critical",
					  health_fields};

static const struct http_answer_field status_fields[] = {
	{.name = "version", .type = "string", .help = "of holdfast"},
	{.name = "started_at", .type = "string?", .help = "RFC 3339"},
	{.name = "pid", .type = "integer", .help = "of the agent"},
	{.name = "mode", .type = "string", .help = "as configured"},
	{.name = "level", .type = "string", .help = "as configured"},
	{.name = "sampling_interval_s", .type = "number", .help = "between two readings"},
	{.name = "budget_percent", .type = "number", .help = "of a core, for tracing"},
	{.name = "targets",
	 .type = "object",
	 .help = "watched, traced, ended, refused; processes seen"},
	{.name = "cost",
	 .type = "object",
	 .help = "cpu_percent, rss_bytes of the agent; memory_bytes (PSS) of it and its jobs; jobs_percent of a core; tracing_percent of the targets; pass_ms"},
	{.name = "store", .type = "object", .help = "path, state, what was lost"},
	{.name = "active_leaks", .type = "integer", .help = "of all targets"},
	{.name = "sessions_running", .type = "integer", .help = "profiling sessions"},
	{.name = NULL},
};

const struct http_schema schema_status = {"Status", "The agent", status_fields};

static const struct http_answer_field target_fields[] = {
	{.name = "id", .type = "integer", .help = "of the target"},
	{.name = "pid", .type = "integer", .help = "of the process"},
	{.name = "name", .type = "string", .help = "the rule's, or its comm"},
	{.name = "comm", .type = "string", .help = "as the kernel has it"},
	{.name = "exe", .type = "string", .help = "path of its program"},
	{.name = "unit", .type = "string", .help = "of systemd"},
	{.name = "container", .type = "string", .help = "id"},
	{.name = "cgroup", .type = "string", .help = "path"},
	{.name = "user", .type = "string", .help = "name or uid"},
	{.name = "rule", .type = "string", .help = "index of the rule that matched"},
	{.name = "started_at", .type = "string?", .help = "of the process"},
	{.name = "first_seen", .type = "string?", .help = "by an agent"},
	{.name = "last_seen", .type = "string?"},
	{.name = "ended_at", .type = "string?", .help = "null: it runs"},
	{.name = "end_reason",
	 .type = "string",
	 .help = "ended, rules, or oom: the kernel killed it for memory"},
	{.name = "end",
	 .type = "object?",
	 .help = "of oom, as it was then: killed_at, rss_bytes, vms_bytes, limit_bytes, heap_live_bytes, "
		 "growth_bytes_per_second, growth_rate_mb_per_min, growth_known, traced, leaks"},
	{.name = "state", .type = "string", .help = "ok, growing, warning, critical, ended"},
	{.name = "traced", .type = "boolean", .help = "its allocations are seen now"},
	{.name = "active_leaks", .type = "integer", .help = "found and not cleared"},
	{.name = "python",
	 .type = "string?",
	 .help = "version of its interpreter, where that is known"},
	{.name = "rss_bytes", .type = "integer"},
	{.name = "vms_bytes", .type = "integer"},
	{.name = "pss_bytes", .type = "integer?"},
	{.name = "uss_bytes", .type = "integer?"},
	{.name = "swap_bytes", .type = "integer?"},
	{.name = "heap_live_bytes",
	 .type = "integer?",
	 .help = "allocated since tracing began, and not freed"},
	{.name = "heap_objects",
	 .type = "integer?",
	 .help = "objects that the collector of Python tracks, or blocks, when last looked at"},
	{.name = "gc_collections", .type = "integer?", .help = "since the process began"},
	{.name = "limit_bytes", .type = "integer?", .help = "of its cgroups; null: none"},
	{.name = "growth_bytes_per_second", .type = "number", .help = "slope of the RSS"},
	{.name = "growth_rate_mb_per_min", .type = "number", .help = "the same"},
	{.name = "growth_interval", .type = "number[]", .help = "95 %, MB per minute"},
	{.name = "growth_known", .type = "boolean", .help = "it was watched long enough"},
	{.name = "sparkline", .type = "integer[]", .help = "RSS of the last hour, oldest first"},
	{.name = "thresholds", .type = "object", .help = "of one target only"},
	{.name = "profile", .type = "integer?", .help = "newest; of one target only"},
	{.name = "sessions_running", .type = "integer", .help = "of one target only"},
	{.name = "mode", .type = "string", .help = "of one target only"},
	{.name = "cmdline",
	 .type = "string?",
	 .help = "of one target only; null unless show_content"},
	{.name = NULL},
};

const struct http_schema schema_target = {
	"Target",
	"A process that is or was watched; what is read of a running one is absent of one that has ended",
	target_fields};

static const struct http_answer_field targets_fields[] = {
	{.name = "targets", .type = "object[]", .of = &schema_target},
	{.name = "next_cursor", .type = "string?", .help = "null: this was the last page"},
	{.name = NULL},
};

const struct http_schema schema_targets = {"Targets", "A page", targets_fields};

static const struct http_answer_field usage_fields[] = {
	{.name = "target", .type = "integer"},
	{.name = "pid", .type = "integer"},
	{.name = "timestamp", .type = "number", .help = "unix time in seconds"},
	{.name = "rss_bytes", .type = "integer"},
	{.name = "vms_bytes", .type = "integer"},
	{.name = "pss_bytes", .type = "integer?"},
	{.name = "uss_bytes", .type = "integer?"},
	{.name = "swap_bytes", .type = "integer?"},
	{.name = "heap_live_bytes", .type = "integer?"},
	{.name = "heap_objects", .type = "integer?"},
	{.name = "gc_collections", .type = "integer?"},
	{.name = "limit_bytes", .type = "integer?"},
	{.name = "heap_used_bytes", .type = "integer?", .help = "by the last look at the heap"},
	{.name = "heap_free_bytes", .type = "integer?"},
	{.name = "fragmentation_percent", .type = "number", .help = "of the heap"},
	{.name = "minor_faults", .type = "integer"},
	{.name = "major_faults", .type = "integer"},
	{.name = NULL},
};

const struct http_schema schema_usage = {"Usage", "Memory, read for this answer", usage_fields};

static const struct http_answer_field trends_fields[] = {
	{.name = "target", .type = "integer"},
	{.name = "from", .type = "number", .help = "unix time in seconds"},
	{.name = "to", .type = "number"},
	{.name = "resolution_s",
	 .type = "number",
	 .help = "the coarsest among them; 0: each reading"},
	{.name = "timestamps", .type = "number[]", .help = "unix time in seconds"},
	{.name = "rss_bytes", .type = "integer[]", .help = "the highest of what a point stands for"},
	{.name = "vms_bytes", .type = "integer[]"},
	{.name = "uss_bytes", .type = "integer[]"},
	{.name = "pss_bytes", .type = "integer[]"},
	{.name = "swap_bytes", .type = "integer[]"},
	{.name = "heap_live_bytes", .type = "integer[]"},
	{.name = "heap_objects", .type = "integer[]"},
	{.name = "gc_collections", .type = "integer[]"},
	{.name = "rss_min_bytes", .type = "integer[]", .help = "the lowest"},
	{.name = "growth_bytes_per_second", .type = "number"},
	{.name = "growth_rate_mb_per_min", .type = "number"},
	{.name = "growth_interval", .type = "number[]"},
	{.name = "growth_known", .type = "boolean"},
	{.name = "thresholds", .type = "object", .help = "of a running target"},
	{.name = NULL},
};

const struct http_schema schema_trends = {
	"Trends", "Series of equal length; null where nobody read", trends_fields};

static const struct http_answer_field component_fields[] = {
	{.name = "name", .type = "string"},
	{.name = "current_memory_mb", .type = "number"},
	{.name = "peak_memory_mb",
	 .type = "number",
	 .help = "of the profiles since the target is watched"},
	{.name = "outstanding_bytes", .type = "integer"},
	{.name = "peak_bytes", .type = "integer"},
	{.name = "growth_bytes_per_second", .type = "number"},
	{.name = "growth_rate_mb_per_min", .type = "number"},
	{.name = NULL},
};

const struct http_schema schema_component = {"Component", "Memory that was traced, by rule",
					     component_fields};

static const struct http_answer_field components_fields[] = {
	{.name = "components", .type = "object[]", .of = &schema_component},
	{.name = "total_bytes", .type = "integer", .help = "their sum"},
	{.name = NULL},
};

const struct http_schema schema_components = {"Components", "All of a target", components_fields};

static const struct http_answer_field span_fields[] = {
	{.name = "span", .type = "string", .help = "the rule's name"},
	{.name = "key",
	 .type = "string",
	 .help = "the argument's value; (more): there were too many"},
	{.name = "outstanding_bytes", .type = "integer"},
	{.name = "outstanding_count", .type = "integer"},
	{.name = "peak_bytes", .type = "integer"},
	{.name = "allocs", .type = "integer"},
	{.name = "estimated", .type = "boolean", .help = "by what fell into windows of tracing"},
	{.name = "first_seen", .type = "string?"},
	{.name = "last_seen", .type = "string?", .help = "when it was seen to allocate last"},
	{.name = NULL},
};

static const struct http_schema schema_span = {"Span", "Memory of one span", span_fields};

static const struct http_answer_field spans_fields[] = {
	{.name = "spans", .type = "object[]", .of = &schema_span},
	{.name = "total", .type = "integer"},
	{.name = "left_out", .type = "integer", .help = "smaller ones that are not kept"},
	{.name = "next_cursor", .type = "string?"},
	{.name = NULL},
};

const struct http_schema schema_spans = {"Spans", "Of a target", spans_fields};

static const struct http_answer_field profile_fields[] = {
	{.name = "id", .type = "integer"},
	{.name = "target", .type = "integer"},
	{.name = "time", .type = "string?"},
	{.name = "reason", .type = "string", .help = "growth, session, request"},
	{.name = "state", .type = "string", .help = "of the verdict"},
	{.name = "size_bytes", .type = "integer", .help = "packed"},
	{.name = "growth_bytes_per_second", .type = "number?"},
	{.name = "growth_rate_mb_per_min", .type = "number?"},
	{.name = "findings", .type = "integer"},
	{.name = NULL},
};

static const struct http_schema schema_profile = {"Profile", "A report that was kept",
						  profile_fields};

static const struct http_answer_field profiles_fields[] = {
	{.name = "profiles", .type = "object[]", .of = &schema_profile},
	{.name = "next_cursor", .type = "string?"},
	{.name = NULL},
};

const struct http_schema schema_profiles = {"Profiles", "A page", profiles_fields};

static const struct http_answer_field trace_fields[] = {
	{.name = "target", .type = "integer"},
	{.name = "state", .type = "string", .help = "tracing, or waiting for its turn"},
	{.name = NULL},
};

const struct http_schema schema_trace = {"Trace", "What was begun", trace_fields};

static const struct http_answer_field gc_fields[] = {
	{.name = "pid", .type = "integer"},
	{.name = "python", .type = "string", .help = "version; empty: no Python, only trimmed"},
	{.name = "done",
	 .type = "boolean",
	 .help = "false: as soon as its main thread runs Python again"},
	{.name = "collected_objects", .type = "integer", .help = "as gc.collect() says"},
	{.name = "uncollectable_objects", .type = "integer"},
	{.name = "objects_freed", .type = "integer", .help = "by two counts of all objects"},
	{.name = "duration_ms", .type = "number"},
	{.name = "waited_ms", .type = "number", .help = "for a safe moment"},
	{.name = "trimmed_bytes", .type = "integer", .help = "RSS less than before"},
	{.name = "before", .type = "object"},
	{.name = "after", .type = "object"},
	{.name = NULL},
};

const struct http_schema schema_gc = {"Collection", "What a forced collection did", gc_fields};

static const struct http_answer_field leak_fields[] = {
	{.name = "leak_id", .type = "string"},
	{.name = "target", .type = "integer"},
	{.name = "pid", .type = "integer"},
	{.name = "target_name", .type = "string"},
	{.name = "component", .type = "string"},
	{.name = "state", .type = "string", .help = "leaking, growing or lost"},
	{.name = "active", .type = "boolean"},
	{.name = "growth_bytes_per_second", .type = "number?"},
	{.name = "growth_rate_mb_per_min", .type = "number?"},
	{.name = "growth_interval", .type = "number[]", .help = "95 %, MB per minute"},
	{.name = "current_memory_mb", .type = "number"},
	{.name = "outstanding_bytes", .type = "integer"},
	{.name = "outstanding_count", .type = "integer"},
	{.name = "lost_count", .type = "integer", .help = "blocks that nothing refers to"},
	{.name = "confidence", .type = "number"},
	{.name = "first_seen", .type = "string?"},
	{.name = "last_seen", .type = "string?"},
	{.name = "cleared_at", .type = "string?"},
	{.name = "recommendation", .type = "string"},
	{.name = "evidence", .type = "object[]", .help = "kind, text, value"},
	{.name = "stack", .type = "object[]", .help = "frames, leaf first"},
	{.name = "type", .type = "string"},
	{.name = "held_by", .type = "string"},
	{.name = "profile", .type = "integer?", .help = "that shows it"},
	{.name = NULL},
};

static const struct http_schema schema_leak = {
	"Leak", "Memory that is lost, or grows without bound", leak_fields};

static const struct http_answer_field leaks_fields[] = {
	{.name = "leaks", .type = "object[]", .of = &schema_leak},
	{.name = "next_cursor", .type = "string?"},
	{.name = NULL},
};

const struct http_schema schema_leaks = {"Leaks", "A page", leaks_fields};

static const struct http_answer_field cleared_fields[] = {
	{.name = "cleared", .type = "integer", .help = "how many"},
	{.name = NULL},
};

const struct http_schema schema_cleared = {"Cleared", "", cleared_fields};

static const struct http_answer_field session_fields[] = {
	{.name = "session_id", .type = "string"},
	{.name = "target", .type = "integer"},
	{.name = "pid", .type = "integer"},
	{.name = "session_name", .type = "string"},
	{.name = "description", .type = "string"},
	{.name = "state", .type = "string", .help = "running, ended or interrupted"},
	{.name = "start_time", .type = "string?"},
	{.name = "end_time", .type = "string?"},
	{.name = "profile", .type = "integer?", .help = "its report"},
	{.name = "peak_memory_mb", .type = "number", .help = "RSS"},
	{.name = "detected_leaks",
	 .type = "object[]",
	 .help = "seen while it ran",
	 .of = &schema_leak},
	{.name = "statistics", .type = "object"},
	{.name = "recommendations", .type = "string[]"},
	{.name = NULL},
};

const struct http_schema schema_session = {"Session", "A stretch of a target's life",
					   session_fields};

static const struct http_answer_field sessions_fields[] = {
	{.name = "sessions", .type = "object[]", .of = &schema_session},
	{.name = "next_cursor", .type = "string?"},
	{.name = NULL},
};

const struct http_schema schema_sessions = {"Sessions", "A page", sessions_fields};

static const struct http_answer_field snapshots_fields[] = {
	{.name = "session_id", .type = "string"},
	{.name = "snapshots", .type = "object[]", .help = "time, and each figure"},
	{.name = NULL},
};

const struct http_schema schema_snapshots = {"Snapshots", "Readings", snapshots_fields};

static const struct http_answer_field event_fields[] = {
	{.name = "id", .type = "integer", .help = "grows; never given twice"},
	{.name = "time", .type = "string?"},
	{.name = "event",
	 .type = "string",
	 .help = "MemoryOperationStarted, MemoryOperationCompleted, PerformanceThresholdExceeded, or one of ours"},
	{.name = "severity", .type = "string", .help = "info, warning, critical"},
	{.name = "target", .type = "integer?"},
	{.name = "pid", .type = "integer?"},
	{.name = "target_name", .type = "string"},
	{.name = "text", .type = "string"},
	{.name = "details", .type = "object"},
	{.name = NULL},
};

static const struct http_schema schema_event = {"Event", "Something that happened", event_fields};

static const struct http_answer_field events_fields[] = {
	{.name = "events", .type = "object[]", .of = &schema_event},
	{.name = "next_cursor", .type = "string?"},
	{.name = NULL},
};

const struct http_schema schema_events = {"Events", "A page", events_fields};

static const struct http_answer_field alert_fields[] = {
	{.name = "name", .type = "string", .help = "memory_warning, memory_critical, growth"},
	{.name = "severity", .type = "string"},
	{.name = "target", .type = "integer"},
	{.name = "pid", .type = "integer"},
	{.name = "target_name", .type = "string"},
	{.name = "since", .type = "string?"},
	{.name = "value", .type = "number"},
	{.name = "threshold", .type = "number"},
	{.name = "unit", .type = "string", .help = "MB, or MB/min"},
	{.name = NULL},
};

static const struct http_schema schema_alert = {"Alert", "A threshold that is exceeded",
						alert_fields};

static const struct http_answer_field alerts_fields[] = {
	{.name = "alerts", .type = "object[]", .of = &schema_alert},
	{.name = NULL},
};

const struct http_schema schema_alerts = {"Alerts", "", alerts_fields};
