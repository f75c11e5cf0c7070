/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"
#include "config/config.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)
#define MIB       ((uint64_t)1 << 20)
#define GIB       ((uint64_t)1 << 30)

const struct agent_mode_row agent_mode_rows[AGENT_MODE_COUNT] = {
	[AGENT_MODE_OFF] =
		{
			.name = "off",
			.help = "nothing is watched",
		},
	[AGENT_MODE_BASIC] =
		{
			.name = "basic",
			.help = "gauges only, from /proc",
			.gauges = true,
		},
	[AGENT_MODE_STANDARD] =
		{
			.name = "standard",
			.help = "gauges, mappings, faults; windows of tracing at 1 % once it grows",
			.traces = AGENT_WHEN_GROWING,
			.scans = AGENT_NEVER,
			.budget_percent = 1,
			.max_stop_ns = 300 * NS_PER_MS,
			.gauges = true,
			.mappings = true,
		},
	[AGENT_MODE_ADVANCED] =
		{
			.name = "advanced",
			.help = "components and Python as well, scans on suspicion, at most 5 %",
			.traces = AGENT_ALWAYS,
			.scans = AGENT_WHEN_SUSPECTED,
			.budget_percent = 5,
			.max_stop_ns = 300 * NS_PER_MS,
			.gauges = true,
			.mappings = true,
			.components = true,
			.python = true,
		},
	[AGENT_MODE_PRODUCTION] =
		{
			.name = "production",
			.help = "at most 0.5 %, scans only where growth persists, no stop over 50 ms",
			.traces = AGENT_WHEN_GROWING,
			.scans = AGENT_WHEN_PERSISTENT,
			.budget_percent = 0.5,
			.max_stop_ns = 50 * NS_PER_MS,
			.gauges = true,
			.mappings = true,
		},
	[AGENT_MODE_DEBUG] =
		{
			.name = "debug",
			.help = "every call is seen, whatever it costs",
			.traces = AGENT_ALWAYS,
			.scans = AGENT_ALWAYS,
			.budget_percent = 100,
			.max_stop_ns = 300 * NS_PER_MS,
			.gauges = true,
			.mappings = true,
			.components = true,
			.python = true,
			.exact = true,
		},
};

const struct agent_level_row agent_level_rows[AGENT_LEVEL_COUNT] = {
	[AGENT_LEVEL_LOW] =
		{
			.name = "low",
			.help = "100 sites of a snapshot, kept a month",
			.sites_max = 100,
			.retention =
				{
					.raw_ns = 30 * MINUTE_NS,
					.minutes_ns = 2 * DAY_NS,
					.days_ns = 30 * DAY_NS,
					.profiles = 50,
					.max_bytes = 256 * MIB,
				},
		},
	[AGENT_LEVEL_MEDIUM] =
		{
			.name = "medium",
			.help = "500 sites of a snapshot, kept three months",
			.sites_max = 500,
			.retention =
				{
					.raw_ns = HOUR_NS,
					.minutes_ns = 7 * DAY_NS,
					.days_ns = 90 * DAY_NS,
					.profiles = 200,
					.max_bytes = GIB,
				},
		},
	[AGENT_LEVEL_HIGH] =
		{
			.name = "high",
			.help = "2000 sites of a snapshot, kept half a year",
			.sites_max = 2000,
			.retention =
				{
					.raw_ns = 6 * HOUR_NS,
					.minutes_ns = 14 * DAY_NS,
					.days_ns = 180 * DAY_NS,
					.profiles = 1000,
					.max_bytes = 4 * GIB,
				},
		},
	[AGENT_LEVEL_DETAILED] =
		{
			.name = "detailed",
			.help = "all sites of a snapshot, kept a year",
			.sites_max = AGENT_ALL_SITES,
			.retention =
				{
					.raw_ns = DAY_NS,
					.minutes_ns = 30 * DAY_NS,
					.days_ns = 365 * DAY_NS,
					.profiles = 5000,
					.max_bytes = 16 * GIB,
				},
		},
};

static uint64_t bytes_of(uint64_t of_rule, uint64_t of_all)
{
	return of_rule == RULE_INHERITS_BYTES ? of_all : of_rule;
}

void config_target_settings(const struct config *config, const struct target_rule *rule,
			    struct target_settings *ret)
{
	int mode = rule && rule->mode != RULE_INHERITS ? rule->mode : config->mode;
	int level = rule && rule->level != RULE_INHERITS ? rule->level : config->level;
	const struct agent_mode_row *row = &agent_mode_rows[mode];

	*ret = (struct target_settings){
		.mode = (enum agent_mode)mode,
		.level = (enum agent_level)level,
		.budget_percent = row->budget_percent,
		.max_stop_ns = row->max_stop_ns,
		.warning_bytes = config->memory_warning_bytes,
		.critical_bytes = config->memory_critical_bytes,
		.growth_bytes_per_second = config->memory_growth_bytes_per_second,
	};
	if (config->source[OPT_budget_percent] != CONFIG_DEFAULT &&
	    config->budget_percent < row->budget_percent)
		ret->budget_percent = config->budget_percent;
	if (!rule)
		return;
	ret->warning_bytes = bytes_of(rule->warning_bytes, ret->warning_bytes);
	ret->critical_bytes = bytes_of(rule->critical_bytes, ret->critical_bytes);
	if (rule->growth_bytes_per_second >= 0)
		ret->growth_bytes_per_second = rule->growth_bytes_per_second;
}

static uint64_t given_or(uint64_t given, uint64_t otherwise)
{
	return given ? given : otherwise;
}

void config_retention(const struct config *config, struct retention *ret)
{
	const struct retention *given = &config->agent.retention;
	const struct retention *level = &agent_level_rows[config->level].retention;

	*ret = (struct retention){
		.raw_ns = given_or(given->raw_ns, level->raw_ns),
		.minutes_ns = given_or(given->minutes_ns, level->minutes_ns),
		.days_ns = given_or(given->days_ns, level->days_ns),
		.profiles = given_or(given->profiles, level->profiles),
		.max_bytes = given_or(given->max_bytes, level->max_bytes),
	};
}

bool config_has_backend(const struct config *config, enum agent_backend backend)
{
	return config->enabled_backends >> backend & 1;
}

bool config_has_gauges(const struct config *config)
{
	return config_has_backend(config, AGENT_BACKEND_SYSTEM) ||
	       config_has_backend(config, AGENT_BACKEND_PSUTIL);
}

bool config_counts_collections(const struct config *config)
{
	return config->enable_gc_monitoring && config_has_backend(config, AGENT_BACKEND_GC);
}
