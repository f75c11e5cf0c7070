/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The YAML file: any bytes give settings or an error that is set, and nothing leaks. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_error err = HF_ERROR_INIT;
	struct config config;

	if (config_init(&config))
		return 0;
	if ((config_apply_yaml(&config, "fuzz", (const char *)data, size, &err) != 0) !=
	    error_is_set(&err))
		abort();
	error_done(&err);
	config_done(&config);
	return 0;
}
