/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/hashmap.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "process/symbol/name_table.h"
#include "process/symbol/perf_map.h"
#include "process/symbol/symbol_source.h"

/* The frames at one address. In the arena. */
struct answer {
	size_t count;
	struct symbol_frame frames[];
};

/* A registered module and what was asked about it. */
struct entry {
	struct symbol_source *source; /* NULL: nothing but a path */
	struct map64 answers;         /* address -> struct answer * */
	bool counted;
};

VEC_STRUCT(entry_vec, struct entry);

struct symbolizer {
	struct entry_vec entries;
	struct strmap by_build_id; /* -> number + 1 */
	struct arena arena;
	struct name_table names;
	struct map64 perf_maps; /* pid -> struct perf_map * */
	uint64_t perf_map_bytes;
	struct debug_frame_vec scratch;
	struct symbolizer_counts counts;
};

/* Where memory ends. */
static const struct symbol_frame unknown_frame = {
	.function = "", .file = "", .kind = SYMBOL_UNKNOWN};

int symbolizer_new(struct symbolizer **ret)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return -ENOMEM;
	arena_init(&symbolizer->arena, SYMBOLIZER_MEMORY_BYTES / 2);
	name_table_init(&symbolizer->names, SYMBOLIZER_MEMORY_BYTES / 2);
	strmap_init(&symbolizer->by_build_id, hash_seed_random());
	map64_init(&symbolizer->perf_maps, hash_seed_random());
	*ret = symbolizer;
	return 0;
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	for (size_t i = 0; i < symbolizer->entries.count; i++) {
		symbol_source_free(symbolizer->entries.items[i].source);
		map64_done(&symbolizer->entries.items[i].answers);
	}
	vec_done(&symbolizer->entries);
	for (struct map64_iter it = {0}; map64_next(&symbolizer->perf_maps, &it);)
		perf_map_free((struct perf_map *)(uintptr_t)it.value);
	map64_done(&symbolizer->perf_maps);
	strmap_done(&symbolizer->by_build_id, NULL);
	name_table_done(&symbolizer->names);
	arena_done(&symbolizer->arena);
	vec_done(&symbolizer->scratch);
	free(symbolizer);
}

void symbolizer_limit_memory(struct symbolizer *symbolizer, uint64_t max_bytes)
{
	arena_init(&symbolizer->arena, max_bytes / 2);
	name_table_done(&symbolizer->names);
	name_table_init(&symbolizer->names, max_bytes / 2);
}

/* The number of a module of the same build that is there already. */
static bool find_same(const struct symbolizer *symbolizer, const struct symbol_source *source,
		      uint32_t *ret_number)
{
	const struct build_id *id = symbol_source_build_id(source);
	uintptr_t known = 0;

	if (id->size)
		known = (uintptr_t)strmap_get_n(&symbolizer->by_build_id, (const char *)id->bytes,
						id->size);
	if (!known ||
	    !symbol_source_same_build(symbolizer->entries.items[known - 1].source, source))
		return false;
	*ret_number = (uint32_t)(known - 1);
	return true;
}

static int add_entry(struct symbolizer *symbolizer, struct symbol_source *source)
{
	const struct build_id *id = source ? symbol_source_build_id(source) : NULL;
	struct entry entry = {.source = source};
	size_t number = symbolizer->entries.count;
	int err;

	map64_init(&entry.answers, hash_seed_random());
	err = vec_push(&symbolizer->entries, entry);
	if (err)
		return err;
	if (id && id->size)
		err = strmap_put_n(&symbolizer->by_build_id, (const char *)id->bytes, id->size,
				   (void *)(uintptr_t)(number + 1), NULL);
	if (err)
		symbolizer->entries.count--;
	return err;
}

int symbolizer_add_module(struct symbolizer *symbolizer, struct elf_file *file,
			  const struct symbol_module_options *options, uint32_t *ret_module)
{
	struct debug_file_place place = {options->path, options->root_pid, options->open_in_target};
	struct symbol_source *source = NULL;
	int err = 0;

	if (file)
		err = symbol_source_new(file, &source);
	if (err)
		return err;
	if (source && find_same(symbolizer, source, ret_module)) {
		symbol_source_free(source);
		return 0;
	}
	if (source)
		err = symbol_source_find_debug(source, &place);
	if (!err)
		err = add_entry(symbolizer, source);
	if (err) {
		symbol_source_free(source);
		return err;
	}
	*ret_module = (uint32_t)(symbolizer->entries.count - 1);
	return 0;
}

static void forget_perf_map(struct symbolizer *symbolizer, int pid)
{
	uint64_t value;

	if (!map64_remove(&symbolizer->perf_maps, (uint64_t)pid, &value))
		return;
	symbolizer->perf_map_bytes -= perf_map_bytes((struct perf_map *)(uintptr_t)value);
	perf_map_free((struct perf_map *)(uintptr_t)value);
}

/* Takes @text over. */
static int take_perf_map(struct symbolizer *symbolizer, int pid, char *text, size_t size)
{
	struct perf_map *map;
	int err = perf_map_new(text, size, &map);

	if (err)
		return err;
	forget_perf_map(symbolizer, pid);
	err = map64_put(&symbolizer->perf_maps, (uint64_t)pid, (uintptr_t)map);
	if (err) {
		perf_map_free(map);
		return err;
	}
	symbolizer->perf_map_bytes += perf_map_bytes(map);
	symbolizer->counts.jit_lines_dropped += perf_map_dropped(map);
	return 0;
}

static size_t perf_map_room(const struct symbolizer *symbolizer)
{
	return symbolizer->perf_map_bytes < PERF_MAP_MAX_BYTES
		       ? PERF_MAP_MAX_BYTES - symbolizer->perf_map_bytes
		       : 0;
}

int symbolizer_load_perf_map(struct symbolizer *symbolizer, int pid, int namespace_pid,
			     int (*open_in_target)(int root_pid, const char *path))
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	size_t size;
	char *text;
	int err;

	if (strbuf_addf(&path, "/tmp/perf-%d.map", namespace_pid))
		return -ENOMEM;
	if (open_in_target)
		fd = open_in_target(pid, path.buf);
	else if ((fd = open(path.buf, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)) < 0)
		fd = -errno;
	if (fd < 0)
		return fd;
	err = file_read_fd(fd, perf_map_room(symbolizer), &text, &size);
	return err ? err : take_perf_map(symbolizer, pid, text, size);
}

int symbolizer_set_perf_map(struct symbolizer *symbolizer, int pid, const char *text, size_t size)
{
	char *copy;

	if (size > perf_map_room(symbolizer))
		return -EFBIG;
	copy = malloc(size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, size);
	return take_perf_map(symbolizer, pid, copy, size);
}

void symbolizer_forget_process(struct symbolizer *symbolizer, int pid)
{
	forget_perf_map(symbolizer, pid);
}

/* The containing function: the symbol table's name wins, so that it does not depend on DWARF. */
static int fill_outermost(struct symbolizer *symbolizer, const struct symbol_hit *hit,
			  uint64_t address, struct symbol_frame *frame)
{
	const struct debug_frame *debug = &symbolizer->scratch.items[symbolizer->scratch.count - 1];
	const char *name = hit ? hit->name : debug->name;

	frame->kind = name ? SYMBOL_NATIVE : SYMBOL_UNKNOWN;
	if (!name)
		return 0;
	frame->offset = address - (hit ? hit->start : debug->start);
	return name_table_function(&symbolizer->names, name, hit && hit->plt, &frame->function);
}

static int fill_frame(struct symbolizer *symbolizer, size_t index, struct symbol_frame *frame)
{
	const struct debug_frame *debug = &symbolizer->scratch.items[index];
	int err = 0;

	*frame = unknown_frame;
	frame->line = debug->line;
	if (debug->file)
		err = name_table_file(&symbolizer->names, debug->file, &frame->file);
	if (!err && debug->inlined) {
		frame->kind = SYMBOL_INLINED;
		if (debug->name)
			err = name_table_function(&symbolizer->names, debug->name, false,
						  &frame->function);
	}
	return err;
}

/* Turns what the module tells into frames that stay. -ENOBUFS: no room. */
static int make_answer(struct symbolizer *symbolizer, struct entry *entry, uint64_t address,
		       struct answer **ret)
{
	struct debug_frame_vec *debug = &symbolizer->scratch;
	struct symbol_hit hit;
	struct answer *answer;
	bool found = false;
	int err = 0;

	vec_clear(debug);
	if (entry->source)
		err = symbol_source_look_up(entry->source, address, &hit, &found, debug);
	if (!err && !debug->count)
		err = vec_push(debug, (struct debug_frame){0});
	if (err)
		return err;
	answer = arena_zalloc(&symbolizer->arena,
			      sizeof(*answer) + debug->count * sizeof(*answer->frames));
	if (!answer)
		return -ENOBUFS;
	answer->count = debug->count;
	for (size_t i = 0; !err && i < answer->count; i++)
		err = fill_frame(symbolizer, i, &answer->frames[i]);
	if (!err)
		err = fill_outermost(symbolizer, found ? &hit : NULL, address,
				     &answer->frames[answer->count - 1]);
	if (err)
		return err;
	*ret = answer;
	return 0;
}

static void count_module(struct symbolizer *symbolizer, struct entry *entry)
{
	if (entry->counted || !entry->source)
		return;
	entry->counted = true;
	symbolizer->counts.modules_with_symbols += symbol_source_has_symbols(entry->source);
	symbolizer->counts.modules_with_debug += symbol_source_has_debug(entry->source);
}

static int answer_new(struct symbolizer *symbolizer, struct entry *entry, uint64_t address,
		      struct answer **ret)
{
	uint64_t began_ns = clock_now_ns();
	struct answer *answer;
	int err = make_answer(symbolizer, entry, address, &answer);

	symbolizer->counts.look_up_ns += clock_now_ns() - began_ns;
	if (!err)
		err = map64_put(&entry->answers, address, (uintptr_t)answer);
	if (err)
		return err;
	count_module(symbolizer, entry);
	symbolizer->counts.addresses++;
	symbolizer->counts.named += answer->frames[answer->count - 1].kind == SYMBOL_NATIVE;
	symbolizer->counts.with_line += answer->frames[0].line != 0;
	*ret = answer;
	return 0;
}

int symbolizer_resolve(struct symbolizer *symbolizer, uint32_t module, uint64_t address,
		       const struct symbol_frame **ret_frames, size_t *ret_count)
{
	struct answer *answer;
	struct entry *entry;
	uint64_t known;
	int err;

	if (module >= symbolizer->entries.count)
		return -EINVAL;
	entry = &symbolizer->entries.items[module];
	if (map64_get(&entry->answers, address, &known)) {
		answer = (struct answer *)(uintptr_t)known;
	} else {
		err = answer_new(symbolizer, entry, address, &answer);
		if (err == -ENOBUFS) {
			symbolizer->counts.not_kept++;
			*ret_frames = &unknown_frame;
			*ret_count = 1;
			return 0;
		}
		if (err)
			return err;
	}
	*ret_frames = answer->frames;
	*ret_count = answer->count;
	return 0;
}

int symbolizer_resolve_jit(struct symbolizer *symbolizer, int pid, uint64_t address,
			   struct symbol_frame *ret)
{
	struct symbol_frame frame = {.file = "", .kind = SYMBOL_JIT};
	uint64_t value, start;
	const char *name;
	int err;

	if (!map64_get(&symbolizer->perf_maps, (uint64_t)pid, &value) ||
	    !perf_map_find((const struct perf_map *)(uintptr_t)value, address, &name, &start))
		return -ENOENT;
	err = name_table_function(&symbolizer->names, name, false, &frame.function);
	if (err == -ENOBUFS) {
		symbolizer->counts.not_kept++;
		*ret = unknown_frame;
		return 0;
	}
	if (err)
		return err;
	frame.offset = address - start;
	*ret = frame;
	return 0;
}

void symbolizer_release(struct symbolizer *symbolizer)
{
	for (size_t i = 0; i < symbolizer->entries.count; i++)
		if (symbolizer->entries.items[i].source)
			symbol_source_release(symbolizer->entries.items[i].source);
}

void symbolizer_counts(const struct symbolizer *symbolizer, struct symbolizer_counts *ret)
{
	*ret = symbolizer->counts;
	ret->modules = symbolizer->entries.count;
	ret->memory_bytes = symbolizer->arena.held_bytes + name_table_bytes(&symbolizer->names);
	for (size_t i = 0; i < symbolizer->entries.count; i++)
		if (symbolizer->entries.items[i].source)
			ret->curtailed +=
				symbol_source_curtailed(symbolizer->entries.items[i].source);
}
