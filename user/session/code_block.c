// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/code_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "session/replay_meta.h"

#define MODULES_MAX  4096
#define MAPPINGS_MAX 65536
#define TEXT_MAX     4096

uint64_t code_block_signature(const struct target *target)
{
	uint64_t hash = target->mapping_count;

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		hash = hash_u64(m->start, hash);
		hash = hash_u64(m->end, hash);
		hash = hash_u64(m->from_ns, hash);
		hash = hash_u64(m->until_ns, hash);
		hash = hash_u64(m->module->elf ? m->module->id : ~(uint64_t)m->module->id, hash);
	}
	return hash;
}

/* Writing */

VEC_STRUCT(module_vec, const struct module *);

/* The modules' numbers in the block, by their id. */
static int number_modules(const struct target *target, struct module_vec *list,
			  struct map64 *numbers)
{
	int err = 0;

	for (size_t i = 0; !err && i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;

		if (map64_get(numbers, module->id, NULL))
			continue;
		err = map64_put(numbers, module->id, list->count);
		if (!err)
			err = vec_push(list, module);
	}
	return err;
}

static void write_module(const struct module *module, struct strbuf *ret)
{
	char build_id[2 * BUILD_ID_MAX_BYTES + 1] = "";

	if (module->elf)
		build_id_format(elf_file_build_id(module->elf), build_id);
	strbuf_add_text16(ret, module->path, TEXT_MAX);
	strbuf_add_text16(ret, build_id, TEXT_MAX);
}

int code_block_write(const struct target *target, uint32_t process, struct strbuf *ret)
{
	struct module_vec list = VEC_INIT;
	struct map64 numbers;
	uint64_t number = 0;
	int err;

	map64_init(&numbers, hash_seed_random());
	err = number_modules(target, &list, &numbers);
	strbuf_add_le(ret, process, 4);
	strbuf_add_le(ret, target->key.pid, 4);
	strbuf_add_le(ret, list.count, 4);
	for (size_t i = 0; i < list.count; i++)
		write_module(list.items[i], ret);
	strbuf_add_le(ret, target->mapping_count, 4);
	for (size_t i = 0; !err && i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		map64_get(&numbers, m->module->id, &number);
		strbuf_add_le(ret, m->start, 8);
		strbuf_add_le(ret, m->end, 8);
		strbuf_add_le(ret, m->bias, 8);
		strbuf_add_le(ret, m->from_ns, 8);
		strbuf_add_le(ret, m->until_ns == UINT64_MAX ? 0 : m->until_ns, 8);
		strbuf_add_le(ret, number, 4);
	}
	map64_done(&numbers);
	vec_done(&list);
	return !err && ret->failed ? -ENOMEM : err;
}

/* Reading */

struct code_reader {
	struct session *session;
	struct cursor cursor;
	const struct module **modules;
	uint32_t module_count;
};

/* Bytes without a NUL that lie in the block. -EILSEQ. */
/* The one of that path and build id: blocks repeat them. */
static int find_module(struct replayed *replayed, const char *key, size_t path_size,
		       const char *build_id, const struct module **ret)
{
	struct recorded_module *module = strmap_get(&replayed->modules, key);

	if (!module) {
		module = arena_zalloc(&replayed->arena, sizeof(*module));
		if (!module)
			return -ENOMEM;
		module->module.fd = -1;
		module->module.path = arena_strndup(&replayed->arena, key, path_size);
		module->build_id = arena_strndup(&replayed->arena, build_id, strlen(build_id));
		if (!module->module.path || !module->build_id ||
		    strmap_put(&replayed->modules, key, module, NULL))
			return -ENOMEM;
	}
	*ret = &module->module;
	return 0;
}

static int take_module(struct code_reader *reader, const struct module **ret)
{
	_cleanup_(strbuf_done) struct strbuf key = STRBUF_INIT;
	size_t path_size = 0, id_size = 0;
	const char *path = cursor_text16(&reader->cursor, TEXT_MAX, &path_size);
	const char *build_id = cursor_text16(&reader->cursor, TEXT_MAX, &id_size);

	if (reader->cursor.bad)
		return -EILSEQ;
	strbuf_add(&key, path, path_size);
	strbuf_addch(&key, '\n'); /* in no path as /proc shows it */
	strbuf_add(&key, build_id, id_size);
	if (key.failed)
		return -ENOMEM;
	return find_module(reader->session->replayed, key.buf, path_size, key.buf + path_size + 1,
			   ret);
}

static int take_modules(struct code_reader *reader)
{
	int err = 0;

	reader->module_count = cursor_u32(&reader->cursor);
	if (reader->cursor.bad || reader->module_count > MODULES_MAX)
		return -EILSEQ;
	reader->modules = calloc(reader->module_count + 1, sizeof(*reader->modules));
	if (!reader->modules)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < reader->module_count; i++)
		err = take_module(reader, &reader->modules[i]);
	return err;
}

static int take_mapping(struct code_reader *reader, const struct target_mapping *before,
			struct target_mapping *ret)
{
	struct cursor *c = &reader->cursor;
	uint32_t module;

	ret->start = cursor_u64(c);
	ret->end = cursor_u64(c);
	ret->bias = cursor_u64(c);
	ret->from_ns = cursor_u64(c);
	ret->until_ns = cursor_u64(c);
	module = cursor_u32(c);
	if (!ret->until_ns)
		ret->until_ns = UINT64_MAX;
	if (c->bad || module >= reader->module_count || ret->start >= ret->end)
		return -EILSEQ;
	if (before && (before->start > ret->start ||
		       (before->start == ret->start && before->from_ns > ret->from_ns)))
		return -EILSEQ;
	ret->module = reader->modules[module];
	return 0;
}

static int take_mappings(struct code_reader *reader, struct target *target)
{
	uint32_t count = cursor_u32(&reader->cursor);
	struct target_mapping *mappings;
	int err = 0;

	if (reader->cursor.bad || count > MAPPINGS_MAX)
		return -EILSEQ;
	mappings = calloc(count + 1, sizeof(*mappings));
	if (!mappings)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < count; i++)
		err = take_mapping(reader, i ? &mappings[i - 1] : NULL, &mappings[i]);
	if (!err && cursor_left(&reader->cursor))
		err = -EILSEQ;
	if (err) {
		free(mappings);
		return err;
	}
	free(target->mappings);
	target->mappings = mappings;
	target->mapping_count = count;
	return 0;
}

int code_block_take(struct session *session, const void *bytes, size_t size)
{
	struct code_reader reader = {.session = session, .cursor = cursor_of(bytes, size)};
	uint32_t process = cursor_u32(&reader.cursor), pid = cursor_u32(&reader.cursor);
	struct member *member;
	int err = reader.cursor.bad ? -EILSEQ : replay_member(session, process, pid, &member);

	if (!err)
		err = take_modules(&reader);
	if (!err)
		err = take_mappings(&reader, member->target);
	free(reader.modules);
	return err;
}
