/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot on its way from the worker to us: one flat piece of memory in a memfd. */
#ifndef HOLDFAST_HEAP_SNAPSHOT_H
#define HOLDFAST_HEAP_SNAPSHOT_H

#include "account/heap/heap.h"

/* Writes it with all it points to. 0 or -errno. */
int heap_snapshot_pack(const struct heap_snapshot *snapshot, int fd);
/* A copy of its own, with all it points to. -ENOMEM; -EBADMSG: its indexes lead out of it. */
int heap_snapshot_copy(const struct heap_snapshot *snapshot, struct heap_snapshot **ret);
/* -EBADMSG: not whole. heap_snapshot_free() frees it. */
int heap_snapshot_unpack(int fd, struct heap_snapshot **ret);

#endif
