/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker does: one scan from beginning to end, in its own process. */
#ifndef HOLDFAST_HEAP_SCAN_H
#define HOLDFAST_HEAP_SCAN_H

#include <stdint.h>

#include "account/heap/heap.h"

/* Writes the snapshot to @fd. @stop_began_ns: shared with the guard. Errors: heap_scan_finish(). */
int heap_scan_work(const struct heap_scan_options *options, _Atomic uint64_t *stop_began_ns,
		   int fd);

#endif
