/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a copy of a process's memory tells of its objects, from beginning to end. */
#ifndef HOLDFAST_PYHEAP_EXAMINE_H
#define HOLDFAST_PYHEAP_EXAMINE_H

#include "account/pyheap/objects.h"
#include "account/pyheap/pyheap.h"

/*
 * @stopped: of one moment; else lists may break off, and nothing is called unreachable. @holders: tells what holds the types. Of @ret
 * the types, counts and all that follows from the copy are set, and the reason, unless it has one; py_census_done() frees it, also
 * after an error. 0; -ESRCH: there is no interpreter; -EUCLEAN, -EAGAIN, -ENOSPC, -ENOMEM: pyheap_finish().
 */
int py_examine(struct py_heap *heap, bool stopped, bool holders, struct pyheap_snapshot *ret);

#endif
