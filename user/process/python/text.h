/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A str of CPython, read from its memory, wherever that is. Source: Include/cpython/unicodeobject.h. */
#ifndef HOLDFAST_PYTHON_TEXT_H
#define HOLDFAST_PYTHON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "process/python/layout.h"

#define PYTHON_NAME_MAX 512 /* characters; longer ones are cut */

struct python_reader {
	/* 0, or -errno: not all of it is there. */
	int (*read)(void *user, uint64_t address, void *ret, size_t size);
	void *user;
};

/* UTF-8; what is none shows as U+FFFD. Caller frees. -EINVAL: no str is there; what the reader says; -ENOMEM. */
int python_text_read(const struct python_reader *reader, const struct python_layout *layout,
		     uint64_t address, char **ret);

#endif
