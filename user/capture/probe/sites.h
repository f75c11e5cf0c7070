/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of an allocator's functions that are followed for good (bpf/call_site.bpf.c), put in and taken out by groups.
 * A group's probes come and go with one link per module; hits are counted by site. Main thread.
 *
 * Needs uprobe_multi, as windows do.
 */
#ifndef HOLDFAST_PROBE_SITES_H
#define HOLDFAST_PROBE_SITES_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/space.h>

#include "capture/probe/probe.h"

/* One call in one process. */
struct probe_site {
	const struct module *module;
	uint64_t call;   /* address of the instruction, as linked */
	uint64_t result; /* where a probe sees what came back; 0: it is a release */
	struct hf_call_site how;
	uint32_t index; /* out: by which it is known to the kernel side */
};

/*
 * Sites that came before under their index keep their counts only until probe_sites_remove(). 0, -ENOSPC (too many
 * at once), -ENOTSUP, -ESRCH, or what the kernel says; then none of them is in. @ret_group: > 0, for
 * probe_sites_remove().
 */
int probe_sites_add(struct probe *probe, int pid, struct probe_site *sites, size_t count,
		    uint32_t *ret_group);
/* Returns when the probes are gone, after 35-80 ms. */
void probe_sites_remove(struct probe *probe, uint32_t group);
/* How often the call was made since it was added. */
uint64_t probe_site_hits(const struct probe *probe, uint32_t index);

#endif
