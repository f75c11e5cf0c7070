/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds Python's objects: from sys.modules, the frames of threads, the interpreter's own state, and other memory. */
#ifndef HOLDFAST_PYHEAP_ROOTS_H
#define HOLDFAST_PYHEAP_ROOTS_H

#include "account/pyheap/objects.h"

/* Sets seen, parent, edge and label of all that is held, each by a shortest way: from modules if there is one, else from frames, else
 * from the interpreters, else from memory that is no object's. 0, -ENOMEM, -ENOSPC, -EUCLEAN. *ret_threads: of the interpreters. */
int py_roots_follow(struct py_heap *heap, const uint64_t *interpreters, size_t count,
		    uint64_t *ret_threads);
/* After that: which of those not seen have more references than were found: their overcounted. 0, -ENOMEM, -EUCLEAN. */
int py_roots_count_references(struct py_heap *heap);

#endif
