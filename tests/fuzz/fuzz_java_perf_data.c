/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of a Java virtual machine as a hostile process may write them. */
#include <stdint.h>

#include "process/java/perf_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct java_perf_data found;

	(void)java_perf_data_parse(data, size, &found);
	return 0;
}
