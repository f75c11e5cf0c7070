/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A perf map as a hostile process may write it. Whatever covers an address must be a name inside the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "process/symbol/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = {0, 0x10, 0x1000, 0x10ff, 0x7f0000001000, UINT64_MAX};
	char *text = malloc(size + 1);
	struct perf_map *map;
	const char *name;
	uint64_t start;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (perf_map_new(text, size, &map))
		return 0;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (perf_map_find(map, addresses[i], &name, &start) &&
		    (name < text || name + strlen(name) > text + size || start > addresses[i]))
			abort();
	perf_map_free(map);
	return 0;
}
