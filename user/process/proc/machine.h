/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine's CPUs do. Source: /proc/stat (Documentation/filesystems/proc.rst).
 */
#ifndef HOLDFAST_PROC_MACHINE_H
#define HOLDFAST_PROC_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Since boot, summed over all CPUs: the time in which they had nothing to run. To 10 ms. 0, -errno; -EBADMSG: no such text. */
int machine_idle_ns(uint64_t *ret_idle_ns);
/* The same of a text: clock ticks. */
int machine_parse_idle(const char *text, size_t size, uint64_t *ret_ticks);

#endif
