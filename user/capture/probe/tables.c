// SPDX-License-Identifier: GPL-2.0-or-later
/* Unwind tables and address spaces, from target to kernel. Layouts: <holdfast/space.h>, bpf/core/rows.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

/* Keys of an array map for a batch update: 0, 1, 2, ... */
static uint32_t *count_up(uint32_t from, uint32_t count)
{
	uint32_t *keys = malloc(sizeof(*keys) * (count ? count : 1));

	for (uint32_t i = 0; keys && i < count; i++)
		keys[i] = from + i;
	return keys;
}

static int update_array(int map, uint32_t from, const void *values, uint32_t count)
{
	_cleanup_free_ uint32_t *keys = count_up(from, count);

	if (!keys)
		return -ENOMEM;
	return count ? bpf_map_update_batch(map, keys, values, &count, NULL) : 0;
}

/* Page index, then rows, each padded to whole blocks. */
static struct hf_row_block *pack(const struct unwind_table *table, uint32_t *ret_count)
{
	uint32_t index_blocks = (table->page_count + 1 + HF_ROWS_PER_BLOCK - 1) / HF_ROWS_PER_BLOCK;
	uint32_t row_blocks = table->row_count / HF_ROWS_PER_BLOCK + 1;
	struct hf_row_block *blocks = calloc(index_blocks + row_blocks, sizeof(*blocks));

	if (!blocks)
		return NULL;
	for (uint32_t i = 0; i <= table->page_count; i++)
		blocks[i / HF_ROWS_PER_BLOCK].words[i % HF_ROWS_PER_BLOCK] = table->page_index[i];
	if (table->row_count)
		memcpy(blocks + index_blocks, table->rows, table->row_count * sizeof(*table->rows));
	*ret_count = index_blocks + row_blocks;
	return blocks;
}

/* The table as a map of its own: a descriptor or -errno. */
static int make_map(const struct unwind_table *table)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	_cleanup_free_ struct hf_row_block *blocks = NULL;
	_cleanup_close_ int fd = -1;
	uint32_t count;
	int err;

	blocks = pack(table, &count);
	if (!blocks)
		return -ENOMEM;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hf_rows", 4, sizeof(*blocks), count, &options);
	if (fd < 0)
		return fd;
	err = update_array(fd, 0, blocks, count);
	if (err)
		return err;
	return take_fd(&fd);
}

static int load_rules(struct probe *probe)
{
	size_t count = unwind_rules_count(probe->rules);
	_cleanup_free_ struct hf_unwind_rule *fresh = NULL;
	size_t added = count - probe->rules_loaded;
	int err;

	fresh = calloc(added ? added : 1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < added; i++)
		fresh[i] = *unwind_rules_at(probe->rules, probe->rules_loaded + i);
	err = update_array(bpf_map__fd(probe->skeleton->maps.rules), probe->rules_loaded, fresh,
			   added);
	if (!err)
		probe->rules_loaded = count;
	return err;
}

struct batch {
	VEC(uint32_t) modules;
	struct fd_vec maps;
};

static void batch_done(struct batch *batch)
{
	for (size_t i = 0; i < batch->maps.count; i++)
		close(batch->maps.items[i]);
	vec_done(&batch->maps);
	vec_done(&batch->modules);
}

static int load_module(struct probe *probe, const struct module *module, struct batch *batch)
{
	_cleanup_(unwind_table_done) struct unwind_table table = {0};
	struct table_slot *slot;
	int err, fd;

	while (probe->tables.count <= module->id) {
		err = vec_push(&probe->tables, (struct table_slot){0});
		if (err)
			return err;
	}
	slot = &probe->tables.items[module->id];
	if (slot->loaded || !module->elf || module->id >= HF_MAX_MODULES)
		return 0;
	slot->loaded = true;
	err = unwind_table_init(&table, module->elf, probe->rules);
	if (err) {
		log_warn_err(err, "no unwind table of %s", module->path);
		return err == -ENOMEM ? err : 0;
	}
	fd = make_map(&table);
	if (fd < 0)
		return fd;
	slot->page_count = table.page_count;
	err = vec_push(&batch->maps, fd);
	if (!err)
		err = vec_push(&batch->modules, module->id);
	return err;
}

/* One by one where the kernel has no batches for maps of maps. Each update waits for running programs. */
static int link_maps(int outer, const struct batch *batch)
{
	uint32_t count = batch->modules.count;

	if (!count ||
	    !bpf_map_update_batch(outer, batch->modules.items, batch->maps.items, &count, NULL))
		return 0;
	for (size_t i = 0; i < batch->modules.count; i++) {
		if (bpf_map_update_elem(outer, &batch->modules.items[i], &batch->maps.items[i],
					BPF_ANY))
			return -errno;
	}
	return 0;
}

int tables_load(struct probe *probe, const struct target *target)
{
	_cleanup_(batch_done) struct batch batch = {VEC_INIT, VEC_INIT};
	int err = 0;

	for (size_t i = 0; !err && i < target->mapping_count; i++) {
		if (target->mappings[i].until_ns == UINT64_MAX)
			err = load_module(probe, target->mappings[i].module, &batch);
	}
	/* Rules before the rows that name them. */
	if (!err)
		err = load_rules(probe);
	if (!err)
		err = link_maps(bpf_map__fd(probe->skeleton->maps.row_tables), &batch);
	return err;
}

int space_reserve(struct probe *probe, uint32_t *ret_pair)
{
	for (uint32_t pair = 0; pair < HF_MAX_PROCESSES; pair++) {
		if (probe->pairs_used[pair / 64] & 1ull << pair % 64)
			continue;
		probe->pairs_used[pair / 64] |= 1ull << pair % 64;
		*ret_pair = pair;
		return 0;
	}
	return -ENOSPC;
}

void space_release(struct probe *probe, struct probed_process *process)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t slot = 2 * process->pair + i;

		if (process->slot_made[i])
			bpf_map_delete_elem(bpf_map__fd(probe->skeleton->maps.spaces), &slot);
	}
	probe->pairs_used[process->pair / 64] &= ~(1ull << process->pair % 64);
}

static void fill_space(const struct probe *probe, const struct target *target,
		       struct hf_space *space)
{
	uint32_t count = 1; /* entry 0 is no mapping */

	for (size_t i = 0; i < target->mapping_count && count < HF_MAX_MAPPINGS; i++) {
		const struct target_mapping *m = &target->mappings[i];
		uint32_t id = m->module->id;

		if (m->until_ns != UINT64_MAX || id >= probe->tables.count ||
		    !probe->tables.items[id].page_count)
			continue;
		space->mappings[count++] = (struct hf_mapping){
			.start = m->start,
			.end = m->end,
			.bias = m->bias,
			.module = id,
			.page_count = probe->tables.items[id].page_count,
		};
	}
	if (count == HF_MAX_MAPPINGS)
		log_warn("process %d has more code mappings than can be unwound", target->key.pid);
	for (; count < HF_MAX_MAPPINGS; count++)
		space->mappings[count].start = HF_MAPPING_UNUSED;
}

/* The slot's own map: a descriptor or -errno. It is made once: to put one into the outer map waits for a grace
 * period, to write into it does not. */
static int open_slot(struct probe *probe, struct probed_process *process, uint32_t which)
{
	int outer = bpf_map__fd(probe->skeleton->maps.spaces);
	uint32_t slot = 2 * process->pair + which, id;
	_cleanup_close_ int fd = -1;
	int err;

	if (process->slot_made[which]) {
		err = bpf_map_lookup_elem(outer, &slot, &id);
		return err ? err : bpf_map_get_fd_by_id(id);
	}
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hf_space", 4, sizeof(struct hf_space), 1, NULL);
	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(outer, &slot, &fd, BPF_ANY);
	if (err)
		return err;
	process->slot_made[which] = true;
	return take_fd(&fd);
}

/* A walk that still reads of it sees that its id is no longer what it was. */
static int write_space(int fd, struct hf_space *space, uint64_t id)
{
	uint32_t zero = 0;
	int err;

	space->id = HF_SPACE_NONE;
	err = bpf_map_update_elem(fd, &zero, space, BPF_ANY);
	if (err)
		return err;
	space->id = id;
	return bpf_map_update_elem(fd, &zero, space, BPF_ANY);
}

int space_load(struct probe *probe, const struct target *target, struct probed_process *process,
	       uint64_t *ret_space)
{
	_cleanup_free_ struct hf_space *space = calloc(1, sizeof(*space));
	uint32_t which = process->space != HF_SPACE_NONE && !(process->space & 1);
	uint64_t id = (uint64_t)++probe->space_serial << 32 | (2 * process->pair + which);
	_cleanup_close_ int fd = -1;
	int err;

	if (!space)
		return -ENOMEM;
	fill_space(probe, target, space);
	fd = open_slot(probe, process, which);
	if (fd < 0)
		return fd;
	err = write_space(fd, space, id);
	if (!err)
		*ret_space = id;
	return err;
}
