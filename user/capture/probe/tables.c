// SPDX-License-Identifier: GPL-2.0-or-later
/* Unwind tables and address spaces, from target to kernel. Layouts: <holdfast/space.h>, bpf/core/rows.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

/* For code and processes that come: a libcrypto takes 5,400 blocks. Where memory is short, less is ready. */
#define SPARE_BLOCKS       (HF_ROW_CHUNK_BLOCKS / 2)
#define SPARE_BLOCKS_SMALL (HF_ROW_CHUNK_BLOCKS / 16)
#define SPARE_PAIRS        4
#define SPARE_PAIRS_SMALL  1

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

/* What a map of maps holds. */
struct inner_kind {
	const char *name;
	uint32_t value_bytes, entries;
};

/* One map of maps. */
struct outer {
	int fd;
	struct fd_vec *kept;
};

static const struct inner_kind row_chunk = {"hf_rows", sizeof(struct hf_row_block),
					    HF_ROW_CHUNK_BLOCKS};
static const struct inner_kind space_slot = {"hf_space", sizeof(struct hf_space), 1};

/* In one go, or one by one where the kernel has no batches for maps of maps: each update waits for all programs that
 * run. */
static int link_maps(int outer, uint32_t from, const int *fds, uint32_t count)
{
	uint32_t linked = count;
	_cleanup_free_ uint32_t *keys = count_up(from, count);

	if (!keys)
		return -ENOMEM;
	if (!bpf_map_update_batch(outer, keys, fds, &linked, NULL))
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		if (bpf_map_update_elem(outer, &keys[i], &fds[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

/* A map is opened by its id with CAP_SYS_ADMIN only (there is none with id 0). */
static bool may_open_by_id(void)
{
	return bpf_map_get_fd_by_id(0) != -EPERM;
}

static int keep_or_close(struct fd_vec *kept, const int *fds, uint32_t count)
{
	bool keep = !may_open_by_id();
	int err = keep ? vec_reserve(kept, count) : 0;

	for (uint32_t i = 0; i < count; i++) {
		if (keep && !err)
			(void)vec_push(kept, fds[i]);
		else
			close(fds[i]);
	}
	return err;
}

/* @count new maps in @outer, from @from on: behind those that are there. */
static int make_maps(const struct outer *outer, const struct inner_kind *kind, uint32_t from,
		     uint32_t count)
{
	_cleanup_free_ int *fds = malloc(count * sizeof(*fds));
	uint32_t made = 0;
	int err = fds ? 0 : -ENOMEM;

	while (!err && made < count) {
		fds[made] = bpf_map_create(BPF_MAP_TYPE_ARRAY, kind->name, sizeof(uint32_t),
					   kind->value_bytes, kind->entries, NULL);
		if (fds[made] < 0)
			err = fds[made];
		else
			made++;
	}
	if (!err)
		err = link_maps(outer->fd, from, fds, count);
	if (!err)
		return keep_or_close(outer->kept, fds, count);
	while (made--)
		close(fds[made]);
	return err;
}

/* A descriptor or -errno. */
static int open_inner(const struct outer *outer, uint32_t key)
{
	uint32_t id;
	int err;

	if (key < outer->kept->count) {
		int fd = fcntl(outer->kept->items[key], F_DUPFD_CLOEXEC, 0);

		return fd < 0 ? -errno : fd;
	}
	err = bpf_map_lookup_elem(outer->fd, &key, &id);
	return err ? err : bpf_map_get_fd_by_id(id);
}

static struct outer row_chunks(struct probe *probe)
{
	return (struct outer){probe->object.maps.row_chunks, &probe->kept_chunks};
}

static struct outer spaces(struct probe *probe)
{
	return (struct outer){probe->object.maps.spaces, &probe->kept_spaces};
}

static void close_all(struct fd_vec *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		close(fds->items[i]);
	vec_done(fds);
}

void tables_done(struct probe *probe)
{
	close_all(&probe->kept_chunks);
	close_all(&probe->kept_spaces);
	vec_done(&probe->tables);
}

static int reserve_blocks(struct probe *probe, uint32_t blocks)
{
	uint64_t needed = (uint64_t)probe->blocks_used + blocks;
	uint64_t chunks = (needed + HF_ROW_CHUNK_BLOCKS - 1) >> HF_ROW_CHUNK_SHIFT;
	struct outer outer = row_chunks(probe);
	int err;

	if (chunks <= probe->chunks_made)
		return 0;
	if (chunks > HF_ROW_CHUNKS)
		return -ENOSPC;
	err = make_maps(&outer, &row_chunk, probe->chunks_made,
			(uint32_t)chunks - probe->chunks_made);
	if (!err)
		probe->chunks_made = (uint32_t)chunks;
	return err;
}

static int write_blocks(struct probe *probe, uint32_t to, const struct hf_row_block *blocks,
			uint32_t count)
{
	struct outer outer = row_chunks(probe);
	int err = 0;

	while (!err && count) {
		uint32_t in_chunk = to & (HF_ROW_CHUNK_BLOCKS - 1);
		uint32_t room = HF_ROW_CHUNK_BLOCKS - in_chunk, n = count < room ? count : room;
		_cleanup_close_ int fd = open_inner(&outer, to >> HF_ROW_CHUNK_SHIFT);

		err = fd < 0 ? fd : update_array(fd, in_chunk, blocks, n);
		to += n;
		blocks += n;
		count -= n;
	}
	return err;
}

/* Behind those that are there. */
static int add_table(struct probe *probe, const struct unwind_table *table, struct table_slot *slot)
{
	_cleanup_free_ struct hf_row_block *blocks = NULL;
	uint32_t count;
	int err;

	blocks = pack(table, &count);
	if (!blocks)
		return -ENOMEM;
	err = reserve_blocks(probe, count);
	if (!err)
		err = write_blocks(probe, probe->blocks_used, blocks, count);
	if (err)
		return err;
	slot->first_block = probe->blocks_used;
	slot->page_count = table->page_count;
	probe->blocks_used += count;
	return 0;
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
	err = update_array(probe->object.maps.rules, probe->rules_loaded, fresh, added);
	if (!err)
		probe->rules_loaded = count;
	return err;
}

/*
 * The file is opened once more for this: its code and its .eh_frame, which nobody else asks for as a whole, are megabytes,
 * and would stay as long as the module does.
 */
static int make_table(struct unwind_table *table, const struct module *module,
		      struct unwind_rules *rules)
{
	struct elf_file *again = NULL;
	int fd = module_open(module), err;

	if (fd >= 0 && elf_file_open_fd(fd, &again))
		again = NULL;
	err = unwind_table_init(table, again ? again : module->elf, rules);
	elf_file_free(again);
	return err;
}

static int load_module(struct probe *probe, const struct module *module)
{
	_cleanup_(unwind_table_done) struct unwind_table table = {0};
	struct table_slot *slot;
	int err;

	while (probe->tables.count <= module->id) {
		err = vec_push(&probe->tables, (struct table_slot){0});
		if (err)
			return err;
	}
	slot = &probe->tables.items[module->id];
	if (slot->loaded || !module->elf)
		return 0;
	slot->loaded = true;
	err = make_table(&table, module, probe->rules);
	if (!err)
		err = add_table(probe, &table, slot);
	if (err)
		log_warn_err(err, "no unwind table of %s", module->path);
	return err == -ENOMEM ? err : 0;
}

int tables_load(struct probe *probe, const struct target *target)
{
	int err = 0;

	for (size_t i = 0; !err && i < target->mapping_count; i++) {
		if (target->mappings[i].until_ns == UINT64_MAX)
			err = load_module(probe, target->mappings[i].module);
	}
	return err ? err : load_rules(probe);
}

static int reserve_pairs(struct probe *probe, uint32_t pairs)
{
	struct outer outer = spaces(probe);
	int err;

	if (pairs <= probe->pairs_made)
		return 0;
	err = make_maps(&outer, &space_slot, 2 * probe->pairs_made,
			2 * (pairs - probe->pairs_made));
	if (!err)
		probe->pairs_made = pairs;
	return err;
}

static uint32_t free_pair(const struct probe *probe)
{
	uint32_t pair = 0;

	while (pair < probe->object.process_max && probe->pairs_used[pair / 64] & 1ull << pair % 64)
		pair++;
	return pair;
}

int tables_prepare(struct probe *probe)
{
	bool small = probe->options.small;
	uint32_t pairs = free_pair(probe) + (small ? SPARE_PAIRS_SMALL : SPARE_PAIRS);
	int err = reserve_blocks(probe, small ? SPARE_BLOCKS_SMALL : SPARE_BLOCKS);

	if (err == -ENOSPC)
		err = 0;
	return err || pairs > probe->object.process_max ? err : reserve_pairs(probe, pairs);
}

int space_reserve(struct probe *probe, uint32_t *ret_pair)
{
	uint32_t pair = free_pair(probe);
	int err;

	if (pair == probe->object.process_max)
		return -ENOSPC;
	err = reserve_pairs(probe, pair + 1);
	if (err)
		return err;
	probe->pairs_used[pair / 64] |= 1ull << pair % 64;
	*ret_pair = pair;
	return 0;
}

/* The next process takes its slots over. */
void space_release(struct probe *probe, const struct probed_process *process)
{
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
			.first_block = probe->tables.items[id].first_block,
			.page_count = probe->tables.items[id].page_count,
		};
	}
	if (count == HF_MAX_MAPPINGS)
		log_warn("process %d has more code mappings than can be unwound", target->key.pid);
	for (; count < HF_MAX_MAPPINGS; count++)
		space->mappings[count].start = HF_MAPPING_UNUSED;
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

int space_load(struct probe *probe, const struct target *target,
	       const struct probed_process *process, uint64_t *ret_space)
{
	_cleanup_free_ struct hf_space *space = calloc(1, sizeof(*space));
	uint32_t which = process->space != HF_SPACE_NONE && !(process->space & 1);
	uint64_t id = (uint64_t)++probe->space_serial << 32 | (2 * process->pair + which);
	struct outer outer = spaces(probe);
	_cleanup_close_ int fd = -1;
	int err;

	if (!space)
		return -ENOMEM;
	fill_space(probe, target, space);
	fd = open_inner(&outer, 2 * process->pair + which);
	if (fd < 0)
		return fd;
	err = write_space(fd, space, id);
	if (!err)
		*ret_space = id;
	return err;
}
