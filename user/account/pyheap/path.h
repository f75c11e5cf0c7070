/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How objects are held, in words that a programmer of Python knows: "__main__.REGISTRY.by_id[*]". */
#ifndef HOLDFAST_PYHEAP_PATH_H
#define HOLDFAST_PYHEAP_PATH_H

#include "account/pyheap/objects.h"
#include "base/strbuf.h"

/* The way from a root, found by py_roots_follow(). Nothing for one that is not held. -ENOMEM. */
int py_path_write(struct py_heap *heap, uint32_t object, struct strbuf *out);

#endif
