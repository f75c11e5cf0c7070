/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The YAML file: any bytes give settings or problems with their places, and nothing leaks. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_text text = {"fuzz", (const char *)data, size};
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct strbuf out = STRBUF_INIT;
	struct target_settings settings;
	struct config config;

	if (config_init(&config))
		return 0;
	if (config_apply_yaml(&config, &text, &problems) || config_problems_print(&problems, &out))
		abort();
	if ((config_problems_count(&problems) != 0) != (out.len != 0))
		abort();
	for (size_t i = 0; i < config.agent.targets.count; i++)
		config_target_settings(&config, &config.agent.targets.items[i], &settings);
	strbuf_done(&out);
	config_problems_done(&problems);
	config_done(&config);
	return 0;
}
