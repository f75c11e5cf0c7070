/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot on its way from the worker to us: one flat piece of memory in a memfd. */
#ifndef HOLDFAST_PYHEAP_SNAPSHOT_H
#define HOLDFAST_PYHEAP_SNAPSHOT_H

#include "account/pyheap/pyheap.h"

/* Writes it with all it points to. 0 or -errno. */
int pyheap_snapshot_pack(const struct pyheap_snapshot *snapshot, int fd);
/* -EBADMSG: not whole. pyheap_snapshot_free() frees it. */
int pyheap_snapshot_unpack(int fd, struct pyheap_snapshot **ret);

#endif
