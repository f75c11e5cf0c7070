/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of /proc/PID/statm, status and smaps_rollup, taken apart: proc(5). Private to this folder. */
#ifndef HOLDFAST_PROC_MEMORY_INTERNAL_H
#define HOLDFAST_PROC_MEMORY_INTERNAL_H

#include "process/proc/memory.h"
#include "process/proc/proc_text.h"

/* VMS and RSS. -EINVAL: not such a text. */
int memory_parse_statm(struct text text, struct process_memory *memory);
/* Adds what stands there to fields that are 0; a line that is missing adds nothing. */
void memory_parse_status(struct text text, struct process_memory *memory);
void memory_parse_rollup(struct text text, struct process_memory *memory);

#endif
