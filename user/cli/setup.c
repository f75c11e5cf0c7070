// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/alloc_spec.h"
#include "session/launch.h"

#define BUDGET_RING_BYTES (4u << 20)

void setup_done(struct setup *setup)
{
	for (size_t i = 0; i < setup->parsed_count; i++)
		alloc_spec_done(&setup->parsed[i]);
	free(setup->parsed);
	rules_done(&setup->rules);
}

void setup_end_command(const struct config *config, struct setup *setup)
{
	if (setup->command && !config->keep)
		session_end_command(setup->command);
	setup->command = 0;
}

static uint8_t argument(uint8_t number)
{
	return number >= 1 && number <= 6 ? number - 1u : HF_ARG_NONE;
}

static struct allocator_spec convert(const struct alloc_spec *spec, size_t pair, bool is_free)
{
	struct hf_probe_cookie cookie = {
		.function = HF_FN_CUSTOM + pair,
		.op = is_free         ? HF_OP_FREE
		      : spec->ptr_arg ? HF_OP_REALLOC
				      : HF_OP_ALLOC,
		.size_arg = argument(spec->size_arg),
		.count_arg = argument(spec->count_arg),
		.pointer_arg = argument(spec->ptr_arg),
		.result_arg = argument(spec->result_arg),
	};

	return (struct allocator_spec){spec->function, spec->module, cookie};
}

static int add_specs(struct setup *setup, const struct string_vec *texts, bool is_free,
		     struct hf_error *error)
{
	for (size_t i = 0; i < texts->count; i++) {
		struct alloc_spec *parsed = &setup->parsed[setup->parsed_count];
		int err = is_free ? free_spec_parse(texts->items[i], parsed)
				  : alloc_spec_parse(texts->items[i], parsed);

		if (err)
			return error_set_errno(error, HF_E_INTERNAL, -err, "'%s' can't be read",
					       texts->items[i]);
		setup->parsed_count++;
		setup->specs[setup->spec_count++] = convert(parsed, i, is_free);
	}
	return 0;
}

static int prepare_specs(const struct config *config, struct setup *setup, struct hf_error *error)
{
	size_t allocs = config->alloc_specs.count, frees = config->free_specs.count;
	int err;

	if (allocs > ALLOCATOR_SPECS_MAX || frees > ALLOCATOR_SPECS_MAX) {
		error_set(error, HF_E_USAGE, "too many private allocators: %zu",
			  allocs > frees ? allocs : frees);
		return error_fix(error, "name at most %d pairs of --alloc and --free",
				 ALLOCATOR_SPECS_MAX);
	}
	setup->parsed = calloc(allocs + frees + 1, sizeof(*setup->parsed));
	if (!setup->parsed)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	err = add_specs(setup, &config->alloc_specs, false, error);
	return err ? err : add_specs(setup, &config->free_specs, true, error);
}

/* A budget bounds the events of a second, too; not so what is to see all of them. */
static uint64_t ring_bytes(const struct config *config)
{
	bool asked = config->source[OPT_ring_bytes] != CONFIG_DEFAULT;

	return asked || config->exact ? config->ring_bytes : BUDGET_RING_BYTES;
}

int setup_session(struct config *config, const struct event_handler *recorder, struct setup *setup,
		  struct session **ret, struct hf_error *error)
{
	_cleanup_(session_freep) struct session *session = NULL;
	struct session_options options = {
		.interval_ns = config->interval_ns,
		.memory_bytes = config->memory_bytes,
		.ring_bytes = ring_bytes(config),
		.budget_percent = config->budget_percent,
		.exact = config->exact,
		.faults = config->faults,
		.follow = !config->no_follow,
		.looks = true,
		.max_stop_ns = config->max_stop_ns,
		.no_stop = config->no_stop,
		.show_content = config->show_content,
		.specs = setup->specs,
		.tool_version = HF_VERSION,
		.recorder = recorder,
	};
	int err = prepare_specs(config, setup, error);

	if (!err)
		err = rules_make(config, &setup->rules, error);
	if (err)
		return err;
	options.spec_count = setup->spec_count;
	options.components = setup->rules.components;
	options.spans = setup->rules.spans;
	err = session_new(&options, &session, error);
	for (size_t i = 0; !err && i < config->pids.count; i++)
		err = session_attach(session, config->pids.items[i], error);
	if (!err && config->command_argv)
		err = session_launch(session, config->command_argv, &setup->command, error);
	if (err)
		return err;
	*ret = no_free_ptr(session);
	return 0;
}
