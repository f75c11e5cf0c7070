// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list is read from the target's memory (struct r_debug behind DT_DEBUG, struct link_map; <link.h>).
 * It is hostile: bounded in length, and each entry only counts if it names a module that is mapped.
 */
#include "process/target/link_map.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "process/proc/process.h"

#define LINK_MAP_MAX   8192
#define DYNAMIC_MAX    1024
#define R_DEBUG_MAP    8 /* offsetof(struct r_debug, r_map) */
#define LINK_MAP_WORDS 4 /* l_addr, l_name, l_ld, l_next */

VEC_STRUCT(module_vec, const struct module *);

void link_order_done(struct link_order *order)
{
	free(order->modules);
	order->modules = NULL;
	order->count = 0;
}

static bool contains(const struct module_vec *vec, const struct module *module)
{
	for (size_t i = 0; i < vec->count; i++) {
		if (vec->items[i] == module)
			return true;
	}
	return false;
}

static int add(struct module_vec *vec, const struct module *module)
{
	if (!module || !module->elf || contains(vec, module))
		return 0;
	return vec_push(vec, module);
}

/* DT_DEBUG of the running program: where the dynamic linker left its struct r_debug. 0: none. */
static uint64_t find_r_debug(const struct target *target)
{
	struct elf_section dynamic;
	uint64_t address;
	Elf64_Dyn entry;

	if (!target->exe_module || elf_file_section(target->exe_module->elf, ".dynamic", &dynamic))
		return 0;
	address = target->exe_bias + dynamic.address;
	for (size_t i = 0; i < DYNAMIC_MAX; i++, address += sizeof(entry)) {
		if (process_read_memory(target->key.pid, address, &entry, sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG)
			return entry.d_un.d_ptr;
	}
	return 0;
}

/* The module that a link map entry stands for: its dynamic section lies in one of the module's mappings. */
static const struct module *module_of(const struct target *target, const struct maps *maps,
				      uint64_t dynamic_address)
{
	const struct mapping *m = maps_find(maps, dynamic_address);

	for (size_t i = 0; m && i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;

		if (target->mappings[i].until_ns == UINT64_MAX && module->inode == m->inode &&
		    module->device_major == m->device_major &&
		    module->device_minor == m->device_minor && module->vdso == !m->inode)
			return module;
	}
	return NULL;
}

static int read_link_map(const struct target *target, const struct maps *maps,
			 struct module_vec *vec)
{
	uint64_t r_debug = find_r_debug(target), entry, words[LINK_MAP_WORDS];
	int pid = target->key.pid, err;

	if (!r_debug || process_read_memory(pid, r_debug + R_DEBUG_MAP, &entry, sizeof(entry)))
		return 0;
	for (size_t i = 0; entry && i < LINK_MAP_MAX; i++) {
		if (process_read_memory(pid, entry, words, sizeof(words)))
			return 0;
		err = add(vec, module_of(target, maps, words[2]));
		if (err)
			return err;
		entry = words[3];
	}
	return 0;
}

static bool is_libc(const struct module *module)
{
	const char *base = strrchr(module->path, '/');

	base = base ? base + 1 : module->path;
	return !strncmp(base, "libc.", 5) || !strncmp(base, "libc-", 5) || !strncmp(base, "ld-", 3);
}

/* Everything not in the list yet: all of it if there was no list. libc last, since others interpose it. */
static int add_rest(const struct target *target, struct module_vec *vec)
{
	int err = add(vec, target->exe_module);

	for (int libc = 0; libc < 2; libc++) {
		for (size_t i = 0; !err && i < target->mapping_count; i++) {
			const struct target_mapping *m = &target->mappings[i];

			if (m->until_ns == UINT64_MAX && !m->module->vdso &&
			    is_libc(m->module) == libc)
				err = add(vec, m->module);
		}
	}
	return err;
}

int link_order_read(const struct target *target, struct link_order *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	struct module_vec vec = VEC_INIT;
	bool exact = false;
	int err = 0;

	if (!maps_read(target->key.pid, &maps)) {
		err = read_link_map(target, &maps, &vec);
		exact = vec.count > 0;
	}
	if (!err)
		err = add_rest(target, &vec);
	if (err) {
		vec_done(&vec);
		return err;
	}
	ret->modules = vec.items;
	ret->count = vec.count;
	ret->exact = exact;
	return 0;
}
