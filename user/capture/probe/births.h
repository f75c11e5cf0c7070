/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which objects of Python are seen as they are made: those of the types that are asked for, in windows in which the functions that make
 * them are probed (window.h).
 */
#ifndef HOLDFAST_PROBE_BIRTHS_H
#define HOLDFAST_PROBE_BIRTHS_H

#include "capture/probe/probe.h"

/* From now on these types of that process, and no others; addresses of type objects. More than HF_MAX_BIRTH_TYPES in all are left out. */
void probe_births_set(struct probe *probe, int pid, const uint64_t *types, size_t count);

struct probe_births {
	uint64_t hits; /* calls of the functions while they were probed, of whatever type; since probe_new() */
	uint64_t losses; /* objects asked for that did not fit into the ring */
};

struct probe_births probe_births_count(const struct probe *probe);

#endif
