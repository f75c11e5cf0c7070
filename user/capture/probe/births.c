// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/births.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

/* All of the process's, by going through the map from its beginning until none of them is left. */
static void drop_types(int map, int pid)
{
	struct hf_birth_type key, next;
	bool has_key = false;

	for (unsigned int i = 0; i < 2 * HF_MAX_BIRTH_TYPES; i++) {
		if (bpf_map_get_next_key(map, has_key ? &key : NULL, &next))
			return;
		if ((int)next.pid == pid) {
			bpf_map_delete_elem(map, &next);
			has_key = false;
			continue;
		}
		key = next;
		has_key = true;
	}
}

void probe_births_set(struct probe *probe, int pid, const uint64_t *types, size_t count)
{
	int map = probe->object.maps.birth_types;
	uint8_t one = 1;

	drop_types(map, pid);
	for (size_t i = 0; i < count; i++) {
		struct hf_birth_type key = {.type = types[i], .pid = (uint32_t)pid};

		if (bpf_map_update_elem(map, &key, &one, BPF_ANY))
			return;
	}
}

struct probe_births probe_births_count(const struct probe *probe)
{
	return (struct probe_births){probe->object.bss->birth_hits,
				     probe->object.bss->birth_losses};
}
