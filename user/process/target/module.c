// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "process/proc/process.h"

#define VDSO_MAX_BYTES (64u << 10)
#define PAGE_MASK      0xfffull

struct module_set {
	VEC(struct module *) modules;
};

int module_set_new(struct module_set **ret)
{
	struct module_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	*ret = set;
	return 0;
}

static void module_free(struct module *module)
{
	elf_file_free(module->elf);
	if (module->fd >= 0)
		close(module->fd);
	free(module->path);
	free(module);
}
DEFINE_CLEANUP(struct module *, module_free);

void module_set_free(struct module_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->modules.count; i++)
		module_free(set->modules.items[i]);
	vec_done(&set->modules);
	free(set);
}

struct module *module_set_find(const struct module_set *set, uint64_t inode, uint32_t device_major,
			       uint32_t device_minor)
{
	for (size_t i = 0; inode && i < set->modules.count; i++) {
		struct module *module = set->modules.items[i];

		if (module->inode == inode && module->device_major == device_major &&
		    module->device_minor == device_minor)
			return module;
	}
	return NULL;
}

int module_open(const struct module *module)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	int fd;

	if (module->fd < 0)
		return -ENOENT;
	if (strbuf_addf(&path, "/proc/self/fd/%d", module->fd))
		return -ENOMEM;
	fd = open(path.buf, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The vdso has no file: its image is read from the process. */
static int open_vdso(struct module *module, int pid, const struct mapping *mapping)
{
	uint64_t size = mapping->end - mapping->start;
	_cleanup_free_ void *image = NULL;
	int err;

	if (size > VDSO_MAX_BYTES)
		return -EFBIG;
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	err = process_read_memory(pid, mapping->start, image, size);
	return err ? err : elf_file_open_memory(image, size, &module->elf);
}

static int take_file(struct module *module, int fd)
{
	module->fd = fd;
	fd = module_open(module);
	return fd < 0 ? fd : elf_file_open_fd(fd, &module->elf);
}

static bool is_inode(int fd, uint64_t inode)
{
	struct stat stat;

	return !fstat(fd, &stat) && stat.st_ino == inode;
}

static bool is_still_mapped(int pid, const struct mapping *mapping)
{
	_cleanup_(maps_done) struct maps maps = {0};
	const struct mapping *now = maps_read(pid, &maps) ? NULL : maps_find(&maps, mapping->start);

	return now && now->start == mapping->start && mapping_same_file(now, mapping);
}

/*
 * Since the maps were read another file may have come to that place, or to that path. Stacked file systems number files
 * otherwise in the maps than in fstat(): there, that it is still mapped must do.
 */
static int open_file(struct module *module, int pid, const struct mapping *mapping)
{
	_cleanup_close_ int fd = process_open_mapped(pid, mapping->start, mapping->end);

	if (fd >= 0 && (is_inode(fd, mapping->inode) || is_still_mapped(pid, mapping)))
		return take_file(module, take_fd(&fd));
	if (fd >= 0)
		close(fd);
	fd = process_open_file(pid, mapping->path);
	if (fd < 0)
		return fd;
	return is_inode(fd, mapping->inode) ? take_file(module, take_fd(&fd)) : -ESTALE;
}

static bool same_file(const struct module *module, const struct mapping *mapping)
{
	if (module->vdso)
		return !mapping->inode && !strcmp(mapping->path, "[vdso]");
	return module->inode == mapping->inode && module->device_major == mapping->device_major &&
	       module->device_minor == mapping->device_minor;
}

static int set_add(struct module_set *set, const char *path, struct module **ret)
{
	_cleanup_(module_freep) struct module *module = calloc(1, sizeof(*module));
	int err;

	if (!module)
		return -ENOMEM;
	module->fd = -1;
	module->elf_error = -ENOENT;
	module->id = set->modules.count;
	module->path = strdup(path);
	if (!module->path)
		return -ENOMEM;
	err = vec_push(&set->modules, module);
	if (err)
		return err;
	*ret = no_free_ptr(module);
	return 0;
}

static int fill_in(struct module *module, int pid, const struct mapping *mapping)
{
	char *path = strdup(mapping->path);

	if (!path)
		return -ENOMEM;
	free(module->path);
	module->path = path;
	module->vdso = !mapping->inode;
	module->deleted = mapping->deleted;
	module->inode = mapping->inode;
	module->device_major = mapping->device_major;
	module->device_minor = mapping->device_minor;
	module->elf_error = module->vdso ? open_vdso(module, pid, mapping)
					 : open_file(module, pid, mapping);
	module->missed = module->elf_error == -ESTALE || module->elf_error == -ENOENT;
	return 0;
}

int module_set_get(struct module_set *set, int pid, const struct mapping *mapping,
		   struct module **ret)
{
	struct module *module = NULL;
	int err = 0;

	for (size_t i = 0; i < set->modules.count && !module; i++) {
		if (same_file(set->modules.items[i], mapping))
			module = set->modules.items[i];
	}
	if (module && !module->missed) {
		*ret = module;
		return 0;
	}
	if (!module)
		err = set_add(set, mapping->path, &module);
	if (!err)
		err = fill_in(module, pid, mapping);
	if (!err)
		*ret = module;
	return err;
}

int module_set_miss(struct module_set *set, uint64_t inode, uint32_t device_major,
		    uint32_t device_minor, struct module **ret)
{
	struct module *module = module_set_find(set, inode, device_major, device_minor);
	int err = module ? 0 : set_add(set, "(unloaded before it could be read)", &module);

	if (err)
		return err;
	if (!module->elf)
		module->missed = true;
	module->inode = inode;
	module->device_major = device_major;
	module->device_minor = device_minor;
	*ret = module;
	return 0;
}

int module_set_find_missed(struct module_set *set, int pid, const struct mapping *file)
{
	struct module *module =
		module_set_find(set, file->inode, file->device_major, file->device_minor);
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (!module || !module->missed)
		return 0;
	path = strdup(file->path);
	if (!path)
		return -ENOMEM;
	fd = process_open_file(pid, path);
	if (fd < 0)
		return fd;
	if (!is_inode(fd, file->inode))
		return -ESTALE;
	module->elf_error = take_file(module, take_fd(&fd));
	free(module->path);
	module->path = no_free_ptr(path);
	module->missed = false;
	return module->elf_error;
}

int module_bias(const struct module *module, uint64_t start, uint64_t offset, uint64_t *ret_bias)
{
	size_t count = module->elf ? elf_file_segment_count(module->elf) : 0;
	const struct elf_segment *best = NULL, *s;

	/* A segment is mapped from the page that its file offset lies in. */
	for (size_t i = 0; i < count; i++) {
		s = elf_file_segment(module->elf, i);
		if (offset < (s->file_offset & ~PAGE_MASK) ||
		    offset >= s->file_offset + s->file_bytes)
			continue;
		if (!best || s->executable)
			best = s;
	}
	if (!best)
		return -ENOENT;
	*ret_bias = start - (best->address - best->file_offset + offset);
	return 0;
}
