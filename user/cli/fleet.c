// SPDX-License-Identifier: GPL-2.0-or-later
/* fleet: which service grows, since which version, where: asked of ClickHouse, where agents send their samples. */
#include <string.h>

#include "agent/send/fleet_query.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"

#define MB                 1048576.0
#define WINDOW_LEAST_NS    (30 * 60 * NS_PER_S) /* below, the roll-ups have no slope */
#define TEXT_SERVICE_WIDTH 24
#define TEXT_VERSION_WIDTH 12

/* Foreign text, cut or filled to a width; it may be longer than its characters, which is no harm. */
static void add_column(struct strbuf *out, const char *text, int width)
{
	_cleanup_(strbuf_done) struct strbuf safe = STRBUF_INIT;

	strbuf_add_printable(&safe, text, strlen(text));
	strbuf_addf(out, "%-*.*s ", width, width, safe.buf);
}

static void add_rate(struct strbuf *out, double bytes_per_second, int width)
{
	_cleanup_(strbuf_done) struct strbuf rate = STRBUF_INIT;

	units_add_rate(&rate, bytes_per_second);
	strbuf_addf(out, "%*s ", width, rate.buf);
}

/* "1.4" or, where all known versions grow, "1.4 or before"; "" if none does. */
static void add_since(struct strbuf *out, const struct fleet_service *service)
{
	_cleanup_(strbuf_done) struct strbuf since = STRBUF_INIT;

	if (service->since >= 0) {
		const char *version = service->versions.items[service->since].version;

		strbuf_addstr(&since, service->since ? "" : "<= ");
		strbuf_addstr(&since, *version ? version : "(none)");
	}
	add_column(out, since.buf, TEXT_VERSION_WIDTH);
}

static void add_stack(struct strbuf *out, const struct fleet_stack *stack)
{
	if (*stack->line) {
		strbuf_add_printable(out, stack->line, strlen(stack->line));
		strbuf_addstr(out, "  ");
	}
	if (*stack->function)
		strbuf_add_printable(out, stack->function, strlen(stack->function));
	else
		strbuf_addf(out, "stack %016llx", (unsigned long long)stack->id);
}

static void add_service(struct strbuf *out, const struct fleet_service *service)
{
	add_column(out, service->name, TEXT_SERVICE_WIDTH);
	add_rate(out, service->growth, 15);
	add_rate(out, service->process_growth, 15);
	strbuf_addf(out, "%6llu ", (unsigned long long)service->process_count);
	add_since(out, service);
	if (service->stacks.count)
		add_stack(out, &service->stacks.items[0]);
	else
		strbuf_addstr(out, "does not grow");
	strbuf_addch(out, '\n');
	for (size_t i = 1; i < service->stacks.count; i++) {
		add_column(out, "", TEXT_SERVICE_WIDTH);
		add_rate(out, service->stacks.items[i].growth, 15);
		strbuf_add_repeat(out, ' ', 15 + 1 + 7 + TEXT_VERSION_WIDTH + 1);
		add_stack(out, &service->stacks.items[i]);
		strbuf_addch(out, '\n');
	}
}

static int write_text(const struct config *config, const struct fleet_answer *answer,
		      struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	if (!answer->services.count) {
		strbuf_addstr(&out, config->service
					    ? "Nothing is known of this service in the last "
					    : "No service has grown in the last ");
		units_add_duration(&out, config->window_ns);
		strbuf_addstr(&out, ".\n");
		return output_bytes(&out, "-", error);
	}
	strbuf_addf(&out, "%-*s %15s %15s %6s %-*s %s\n", TEXT_SERVICE_WIDTH, "SERVICE", "GROWS",
		    "EACH PROCESS", "PROCS", TEXT_VERSION_WIDTH, "SINCE", "WHERE");
	for (size_t i = 0; i < answer->services.count; i++)
		add_service(&out, &answer->services.items[i]);
	return output_bytes(&out, "-", error);
}

static void put_rate(struct json_out *json, double bytes_per_second)
{
	json_out_double(json, "growth_bytes_per_second", bytes_per_second);
	json_out_double(json, "growth_rate_mb_per_min", bytes_per_second * 60 / MB);
}

static void put_stack(struct json_out *json, const struct fleet_stack *stack)
{
	char id[17];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)stack->id);
	json_out_begin_object(json, NULL);
	json_out_string(json, "stack_id", id);
	json_out_string(json, "function", stack->function);
	json_out_string(json, "line", stack->line);
	put_rate(json, stack->growth);
	json_out_double(json, "growth_low_bytes_per_second", stack->growth_low);
	json_out_u64(json, "outstanding_bytes", stack->bytes);
	json_out_u64(json, "processes", stack->process_count);
	json_out_end_object(json);
}

static void put_version(struct json_out *json, const struct fleet_version *version)
{
	_cleanup_(strbuf_done) struct strbuf time = STRBUF_INIT;

	clock_add_rfc3339(&time, version->first_seen_s * NS_PER_S);
	json_out_begin_object(json, NULL);
	json_out_string(json, "version", version->version);
	json_out_string(json, "first_seen", time.buf);
	json_out_u64(json, "processes", version->process_count);
	json_out_bool(json, "grows", version->grows);
	json_out_double(json, "process_growth_bytes_per_second", version->process_growth);
	json_out_double(json, "process_growth_low_bytes_per_second", version->process_growth_low);
	json_out_end_object(json);
}

static void put_service(struct json_out *json, const struct fleet_service *service)
{
	json_out_begin_object(json, NULL);
	json_out_string(json, "service", service->name);
	json_out_bool(json, "grows", service->grows);
	put_rate(json, service->growth);
	json_out_begin_array(json, "growth_interval");
	json_out_double(json, NULL, service->growth_low * 60 / MB);
	json_out_double(json, NULL, service->growth_high * 60 / MB);
	json_out_end_array(json);
	json_out_double(json, "process_growth_bytes_per_second", service->process_growth);
	json_out_u64(json, "outstanding_bytes", service->bytes);
	json_out_u64(json, "processes", service->process_count);
	json_out_u64(json, "hosts", service->host_count);
	if (service->since >= 0)
		json_out_string(json, "since_version",
				service->versions.items[service->since].version);
	else
		json_out_null(json, "since_version");
	/* no version is known that did not */
	json_out_bool(json, "since_is_first_known", service->since == 0);
	json_out_begin_array(json, "stacks");
	for (size_t i = 0; i < service->stacks.count; i++)
		put_stack(json, &service->stacks.items[i]);
	json_out_end_array(json);
	json_out_begin_array(json, "versions");
	for (size_t i = 0; i < service->versions.count; i++)
		put_version(json, &service->versions.items[i]);
	json_out_end_array(json);
	json_out_end_object(json);
}

static int write_json(const struct config *config, const struct fleet_answer *answer,
		      struct hf_error *error)
{
	struct output_json out;

	output_json_begin(&out, "holdfast.fleet/1", "services");
	for (size_t i = 0; i < answer->services.count; i++)
		put_service(&out.json, &answer->services.items[i]);
	return output_json_end(&out, config->json, error);
}

int command_fleet(struct config *config, struct hf_error *error)
{
	_cleanup_(fleet_answer_done) struct fleet_answer answer = {0};
	const struct fleet_question question = {
		.url = config->clickhouse ? config->clickhouse : config->agent.fleet.clickhouse,
		.service = config->service,
		.window_ns = config->window_ns,
		.now_ns = clock_wall_ns(),
	};
	int err;

	if (!question.url) {
		error_set(error, HF_E_USAGE, "no ClickHouse is named");
		return error_fix(error, "add --clickhouse http://HOST:8123, or --config FILE with "
					"the agent's configuration");
	}
	if (config->window_ns < WINDOW_LEAST_NS) {
		error_set(error, HF_E_USAGE, "--window is too short to tell who grows");
		return error_fix(error, "give 30m or more");
	}
	err = fleet_ask(&question, &answer, error);
	if (!err && config->json)
		err = write_json(config, &answer, error);
	if (!err && !config->quiet && !(config->json && !strcmp(config->json, "-")))
		err = write_text(config, &answer, error);
	return err ? err : EXIT_DONE;
}
