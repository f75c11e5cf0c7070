/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of a process as it is at one moment: it is stopped (stop.h) while the pages are read, for a millisecond or so. */
#ifndef HOLDFAST_HEAP_AT_ONCE_H
#define HOLDFAST_HEAP_AT_ONCE_H

#include <stddef.h>
#include <stdint.h>

/* Reads @count pages of 4096 bytes, those that are not there as zeros. 0, or as stop_process(); -ECANCELED: the short-lived
 * process of ours that does it was ended. */
int heap_read_at_once(int pid, const uint64_t *addresses, size_t count, uint8_t *ret_bytes);

#endif
