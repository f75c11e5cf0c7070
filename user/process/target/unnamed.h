/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The malloc of a program that has no names: a static one without symbols. Found by what its functions do
 * (process/code/family.h), in a copy of the process's memory; the process itself is only read, and stopped for that where
 * it is at work in its heap.
 */
#ifndef HOLDFAST_TARGET_UNNAMED_H
#define HOLDFAST_TARGET_UNNAMED_H

#include "process/code/family.h"
#include "process/target/target.h"

/* Reads @count pages (of 4096 bytes) of a process as they are at one moment. 0 or -errno. NULL: it must not be stopped. */
typedef int unnamed_pages(int pid, const uint64_t *addresses, size_t count, uint8_t *ret_bytes);

/* Of the program itself. 0; -ENOENT: no function behaves so; -ENOTSUP: its first thread's memory was not found, or
 * there is too much code; -EAGAIN: its heap was never at rest, and it must not be stopped; -ESRCH, -ENOMEM, ... */
int unnamed_find(const struct target *target, unnamed_pages *pages, struct family *ret);

/* By texts that an allocator brings into every program: its name, or NULL. */
const char *unnamed_allocator(const struct module *module);

#endif
