/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of /proc that a process can write into by the names it chooses: maps, stat, cgroup, mountinfo. */
#include <stdlib.h>
#include <string.h>

#include "process/proc/cgroup.h"
#include "process/proc/maps.h"
#include "process/proc/process.h"

static void check_maps(const char *text, size_t size)
{
	struct maps maps;

	if (maps_parse(text, size, &maps))
		return;
	for (size_t i = 0; i < maps.count; i++) {
		const struct mapping *m = &maps.items[i];

		if (m->start >= m->end || (i && m->start < m[-1].end) || strlen(m->path) > size)
			abort();
		if (maps_find(&maps, m->start) != m || maps_find(&maps, m->end - 1) != m)
			abort();
	}
	maps_done(&maps);
}

static void check_cgroup(const char *text, size_t size)
{
	const char *middle = memchr(text, '\n', size);
	struct text cgroup = {text, middle ? middle : text}, mounts = {cgroup.end, text + size};
	struct cgroup_place place;

	for (int unified = 0; unified <= 1; unified++) {
		if (cgroup_find_place(cgroup, mounts, unified, &place))
			continue;
		if (place.mount_len > strlen(place.directory) && !memchr(text, '\0', size))
			abort();
		free(place.directory);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct process_stat stat;
	char *id;

	if (size == 0) /* libFuzzer then gives no pointer */
		return 0;
	check_maps(text, size);
	check_cgroup(text, size);
	if (process_stat_parse(text, size, &stat) == 0 && strlen(stat.comm) >= PROCESS_COMM_BYTES)
		abort();
	if (process_container_parse(text, size, &id) == 0)
		free(id);
	return 0;
}
