/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The binaries that targets have mapped, each opened once for all processes that map it.
 *
 * A module is opened while it is mapped, through /proc/PID/map_files (deleted and containerised files
 * too), and its descriptor kept: whoever needs the file later (symbols, probes) opens it anew through
 * module_open(). One owner, one thread.
 */
#ifndef HOLDFAST_TARGET_MODULE_H
#define HOLDFAST_TARGET_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "process/elf/elf_file.h"
#include "process/proc/maps.h"

struct module {
	uint32_t id;          /* index in its set */
	char *path;           /* as mapped */
	struct elf_file *elf; /* NULL: could not be read, elf_error tells why */
	int elf_error;        /* negative errno */
	int fd;               /* read-only; -1: the vdso, or not readable */
	bool vdso;
	bool deleted;
	bool missed; /* it was unmapped before it could be opened */
	uint64_t inode;
	uint32_t device_major, device_minor;
};

struct module_set;

int module_set_new(struct module_set **ret);
void module_set_free(struct module_set *set);
DEFINE_CLEANUP(struct module_set *, module_set_free);

/* The module behind a mapping of @pid; opened if it is new. Always a module unless -ENOMEM: one that can't
 * be read has no elf. Owned by the set, stays where it is. */
int module_set_get(struct module_set *set, int pid, const struct mapping *mapping,
		   struct module **ret);
/* The module of a file that is known already, or NULL. */
struct module *module_set_find(const struct module_set *set, uint64_t inode, uint32_t device_major,
			       uint32_t device_minor);

/* The same; if it is not known, one without elf, which module_set_get() fills in should the file be mapped again. */
int module_set_miss(struct module_set *set, uint64_t inode, uint32_t device_major,
		    uint32_t device_minor, struct module **ret);

/* Where a missed one lies (@file: path, inode, device): opened there, unless another file is there now (-ESTALE) or it
 * can't be read. */
int module_set_find_missed(struct module_set *set, int pid, const struct mapping *file);

/* A descriptor of its own on the module's file, or -ENOENT (vdso, not readable). */
int module_open(const struct module *module);

/* pc - bias = module address, for a mapping at @start of file offset @offset. -ENOENT if no segment fits. */
int module_bias(const struct module *module, uint64_t start, uint64_t offset, uint64_t *ret_bias);

#endif
