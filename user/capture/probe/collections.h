/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a process's collections of garbage take, at the places where its interpreter tells of them. */
#ifndef HOLDFAST_PROBE_COLLECTIONS_H
#define HOLDFAST_PROBE_COLLECTIONS_H

#include "capture/probe/probe.h"
#include "process/elf/usdt.h"

/* Borrowed. */
struct probe_collection_places {
	const struct module *module;
	const struct usdt_probe *begins, *ends;
	size_t begin_count, end_count;
};

/* From now on, until probe_detach() of all. 0; -ESRCH: the process was not added, or is gone; -errno. */
int probe_collections_attach(struct probe *probe, int pid,
			     const struct probe_collection_places *places);
/* What was timed so far can still be read. */
void probe_collections_detach(struct probe *probe, int pid);
/* So far; false: they are not timed. */
bool probe_collections_read(const struct probe *probe, int pid, struct hf_collections *ret);

#endif
