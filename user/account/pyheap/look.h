/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker does: one look from beginning to end, in its own process. */
#ifndef HOLDFAST_PYHEAP_LOOK_H
#define HOLDFAST_PYHEAP_LOOK_H

#include "account/pyheap/pyheap.h"

/* Writes the snapshot to @fd. Errors: pyheap_finish(). */
int pyheap_look(const struct pyheap_options *options, _Atomic uint64_t *stop_began_ns, int fd);

#endif
