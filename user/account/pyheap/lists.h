/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects that the garbage collector of CPython tracks: one doubly linked list for each generation, through the head before each
 * object. They are whole if each object's link back is the way it was reached by.
 */
#ifndef HOLDFAST_PYHEAP_LISTS_H
#define HOLDFAST_PYHEAP_LISTS_H

#include "account/pyheap/objects.h"

/* Adds the objects of one interpreter, the oldest first. 0; -EAGAIN: a collection is under way; -EUCLEAN: the lists are not whole;
 * -ENOMEM, -ENOSPC. @lenient: a list is left where it breaks, *ret_broken is how many were. */
int py_lists_take(struct py_heap *heap, uint64_t interpreter, bool lenient, uint64_t *ret_broken);

#endif
