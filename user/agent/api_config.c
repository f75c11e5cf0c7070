/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration in force, as its file would say it: what is not given is left out, and secrets are. */
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"

static void put_text(struct json_out *json, const char *name, const char *text)
{
	if (text)
		json_out_string(json, name, text);
}

static void put_mb(struct json_out *json, const char *name, uint64_t bytes)
{
	if (bytes && bytes != RULE_INHERITS_BYTES)
		json_out_double(json, name, (double)bytes / API_MB);
}

static void put_rate(struct json_out *json, const char *name, double bytes_per_second)
{
	if (bytes_per_second > 0)
		json_out_double(json, name, bytes_per_second * 60 / API_MB);
}

static void put_target(struct json_out *json, const struct target_rule *rule)
{
	json_out_begin_object(json, NULL);
	put_text(json, "name", rule->name);
	put_text(json, "comm", rule->comm);
	put_text(json, "exe", rule->exe);
	put_text(json, "cmdline", rule->cmdline);
	put_text(json, "cgroup", rule->cgroup);
	put_text(json, "container", rule->container);
	put_text(json, "unit", rule->unit);
	if (rule->uid >= 0)
		json_out_int(json, "user", rule->uid);
	if (rule->pid)
		json_out_u64(json, "pid", rule->pid);
	if (rule->above_bytes)
		json_out_u64(json, "above", rule->above_bytes);
	if (rule->children)
		json_out_bool(json, "children", true);
	if (rule->mode != RULE_INHERITS)
		json_out_string(json, "mode", agent_mode_rows[rule->mode].name);
	if (rule->level != RULE_INHERITS)
		json_out_string(json, "level", agent_level_rows[rule->level].name);
	put_mb(json, "memory_warning_threshold_mb", rule->warning_bytes);
	put_mb(json, "memory_critical_threshold_mb", rule->critical_bytes);
	put_rate(json, "memory_growth_rate_threshold_mb_per_min", rule->growth_bytes_per_second);
	json_out_end_object(json);
}

static void put_component(struct json_out *json, const struct component_spec *rule)
{
	json_out_begin_object(json, NULL);
	put_text(json, "name", rule->name);
	put_text(json, "function", rule->function);
	put_text(json, "module", rule->module);
	put_text(json, "source", rule->source);
	put_text(json, "python_module", rule->python_module);
	put_text(json, "thread", rule->thread);
	put_text(json, "cgroup", rule->cgroup);
	put_text(json, "unit", rule->unit);
	json_out_end_object(json);
}

static void put_span(struct json_out *json, const struct span_spec *rule)
{
	json_out_begin_object(json, NULL);
	put_text(json, "name", rule->name);
	put_text(json, "enter", rule->enter);
	put_text(json, "leave", rule->leave);
	put_text(json, "key", rule->key);
	json_out_end_object(json);
}

static void put_rules(struct json_out *json, const struct agent_config *config)
{
	json_out_begin_array(json, "targets");
	for (size_t i = 0; i < config->targets.count; i++)
		put_target(json, &config->targets.items[i]);
	json_out_end_array(json);
	json_out_begin_array(json, "components");
	for (size_t i = 0; i < config->components.count; i++)
		put_component(json, &config->components.items[i]);
	json_out_end_array(json);
	json_out_begin_array(json, "spans");
	for (size_t i = 0; i < config->spans.count; i++)
		put_span(json, &config->spans.items[i]);
	json_out_end_array(json);
}

/* Where to, without what may be secret in a URL: send_stats() knows that. */
static void put_receivers(struct json_out *json, const struct agent *agent)
{
	json_out_begin_array(json, "receivers");
	for (size_t i = 0; i < send_receiver_count(agent->senders); i++) {
		struct send_stats stats;

		send_stats(agent->senders, i, &stats);
		json_out_begin_object(json, NULL);
		json_out_string(json, "kind", stats.kind);
		json_out_string(json, "place", stats.place);
		json_out_u64(json, "queued", stats.queued);
		json_out_u64(json, "sent", stats.sent);
		json_out_u64(json, "retried", stats.retried);
		json_out_u64(json, "dropped", stats.dropped);
		json_out_string(json, "last_error", stats.last_error);
		api_put_time(json, "last_success", stats.last_success_ns);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}

static void put_retention(struct json_out *json, const struct config *config)
{
	struct retention retention;

	config_retention(config, &retention);
	json_out_begin_object(json, "retention");
	json_out_double(json, "raw_s", (double)retention.raw_ns / 1e9);
	json_out_double(json, "minutes_s", (double)retention.minutes_ns / 1e9);
	json_out_double(json, "days_s", (double)retention.days_ns / 1e9);
	json_out_u64(json, "profiles", retention.profiles);
	json_out_u64(json, "max_bytes", retention.max_bytes);
	json_out_end_object(json);
}

static void put_backends(struct json_out *json, const struct config *config)
{
	static const char *const names[AGENT_BACKEND_COUNT] = {
		[AGENT_BACKEND_TRACEMALLOC] = "tracemalloc",
		[AGENT_BACKEND_PYMPLER] = "pympler",
		[AGENT_BACKEND_GC] = "gc",
		[AGENT_BACKEND_SYSTEM] = "system",
		[AGENT_BACKEND_PSUTIL] = "psutil",
		[AGENT_BACKEND_NATIVE] = "native",
		[AGENT_BACKEND_MMAP] = "mmap",
		[AGENT_BACKEND_FAULTS] = "faults",
	};

	json_out_begin_array(json, "enabled_backends");
	for (int i = 0; i < AGENT_BACKEND_COUNT; i++)
		if (config_has_backend(config, (enum agent_backend)i))
			json_out_string(json, NULL, names[i]);
	json_out_end_array(json);
}

int api_config(struct http_request *request, void *user)
{
	const struct agent *agent = user;
	const struct config *config = agent->config;
	struct json_out *json = http_json(request);

	json_out_begin_object(json, "memory_profiling");
	json_out_string(json, "mode", agent_mode_rows[config->mode].name);
	json_out_string(json, "level", agent_level_rows[config->level].name);
	json_out_double(json, "sampling_interval", (double)config->sampling_interval_ns / 1e9);
	json_out_double(json, "leak_detection_interval",
			(double)config->leak_detection_interval_ns / 1e9);
	json_out_double(json, "budget_percent", config->budget_percent);
	put_mb(json, "memory_warning_threshold_mb", config->memory_warning_bytes);
	put_mb(json, "memory_critical_threshold_mb", config->memory_critical_bytes);
	put_rate(json, "memory_growth_rate_threshold_mb_per_min",
		 config->memory_growth_bytes_per_second);
	json_out_bool(json, "enable_leak_detection", config->enable_leak_detection);
	json_out_bool(json, "enable_component_tracking", config->enable_component_tracking);
	json_out_bool(json, "enable_gc_monitoring", config->enable_gc_monitoring);
	json_out_bool(json, "enable_recommendations", config->enable_recommendations);
	put_backends(json, config);
	json_out_string(json, "listen", config->listen);
	json_out_string(json, "store", config->store);
	put_rules(json, &config->agent);
	put_retention(json, config);
	json_out_end_object(json);
	put_receivers(json, agent);
	return http_answer_composed(request, 200);
}
