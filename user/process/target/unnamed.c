// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/unnamed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "process/proc/process.h"
#include "process/target/allocator_table.h"

#define LOOKS_MAX       10
#define LOOKS_FRUITLESS 2 /* whole ones in a row */
/* The beginning of a mapping, in which the first thread's descriptor is looked for; and as many mappings. */
#define MAPPING_MAX  (6u << 20) /* larger ones are stacks */
#define THREAD_LOOK  (1u << 20)
#define THREAD_LOOKS 256
#define THREAD_SELF \
	2 /* word: its own address again (glibc), or another thread's descriptor (musl) */
#define THREAD_ID_LAST 0x400 /* bytes, within which the thread's id is */
#define TEXT_MAX_BYTES (64ull << 20)

struct place {
	int pid;
	struct maps maps;
	unnamed_pages *pages;
};

/* What the kernel keeps for its own clock can't be read from outside: zeros make the clock ask by a system call. */
static bool is_clock(const struct mapping *m)
{
	return !strncmp(m->path, "[vvar", 5);
}

static enum machine_access read_page(void *user, uint64_t address, uint8_t *ret_bytes)
{
	const struct place *place = user;
	const struct mapping *m = maps_find(&place->maps, address);

	if (m && is_clock(m)) {
		memset(ret_bytes, 0, MACHINE_PAGE_BYTES);
		return MACHINE_READ;
	}
	if (!m || !(m->prot & PROT_READ) ||
	    process_read_memory(place->pid, address, ret_bytes, MACHINE_PAGE_BYTES))
		return MACHINE_NONE;
	return m->prot & PROT_WRITE ? MACHINE_WRITE : MACHINE_READ;
}

static int read_pages(void *user, const uint64_t *addresses, size_t count, uint8_t *ret_bytes)
{
	const struct place *place = user;

	return place->pages(place->pid, addresses, count, ret_bytes);
}

static bool has_id(const uint64_t *words, size_t count, int id)
{
	int32_t value;

	for (size_t i = 0; i < count * sizeof(*words); i += sizeof(value)) {
		memcpy(&value, (const char *)words + i, sizeof(value));
		if (value == id)
			return true;
	}
	return false;
}

static bool is_descriptor(const struct place *place, uint64_t address)
{
	uint64_t self;

	return !process_read_memory(place->pid, address, &self, sizeof(self)) && self == address;
}

/*
 * The first thread's descriptor, which fs points to (glibc: tcbhead_t in struct pthread; musl: struct pthread): its
 * first word is its own address (x86-64 psABI, variant II), a later one again or that of the thread before it, and its thread id is in it.
 */
static uint64_t find_thread_in(const struct place *place, const struct mapping *m, int thread_id)
{
	uint64_t size = m->end - m->start, found = 0, *words;
	size_t count;

	if (size > THREAD_LOOK)
		size = THREAD_LOOK;
	words = malloc(size);
	count = size / sizeof(*words);
	if (!words || process_read_memory(place->pid, m->start, words, size))
		count = 0;
	for (size_t i = 0; i + THREAD_SELF < count && !found; i++) {
		size_t left = count - i;

		if (left > THREAD_ID_LAST / sizeof(*words))
			left = THREAD_ID_LAST / sizeof(*words);
		if (words[i] == m->start + i * sizeof(*words) &&
		    is_descriptor(place, words[i + THREAD_SELF]) &&
		    has_id(words + i, left, thread_id))
			found = words[i];
	}
	free(words);
	return found;
}

static uint64_t find_thread(const struct place *place)
{
	uint64_t found = 0;
	int id, looks = 0;

	if (process_namespace_pid(place->pid, &id))
		return 0;
	for (size_t i = 0; i < place->maps.count && !found && looks < THREAD_LOOKS; i++) {
		const struct mapping *m = &place->maps.items[i];

		if (m->prot != (PROT_READ | PROT_WRITE) || m->shared)
			continue;
		looks++;
		found = find_thread_in(place, m, id);
	}
	return found;
}

static uint64_t program_break(const struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		if (!strcmp(maps->items[i].path, "[heap]"))
			return maps->items[i].end;
	return 0;
}

/* Takes in what one look found. */
static int take_look(struct family *ret, struct family *look, int *fruitless)
{
	size_t added = 0;
	int err = family_merge(ret, look, &added);

	*fruitless = added || !ret->count ? 0 : *fruitless + 1;
	return err;
}

/* All that the program writes to, as far as there is room: its own data and heap first, mapped memory next. */
static void load_writable(struct machine *machine, const struct maps *maps)
{
	bool room = true;

	for (int mapped = 0; mapped < 2; mapped++) {
		for (size_t i = 0; room && i < maps->count; i++) {
			const struct mapping *m = &maps->items[i];
			bool is_mapped = !m->inode && strcmp(m->path, "[heap]") != 0;

			if (m->prot == (PROT_READ | PROT_WRITE) && !m->shared &&
			    is_mapped == mapped && m->end - m->start <= MAPPING_MAX)
				room = machine_load(machine, m->start, m->end);
		}
	}
}

/*
 * A program at work changes its heap while it is read, so that functions may fail their trials. A look counts if nothing
 * has changed meanwhile, which is enough; or if all of it saw one moment. Then threads may have been within malloc, and
 * the next look may find more, until some find none.
 */
static int find_in(struct machine *machine, const struct maps *maps,
		   const struct code_functions *functions, uint64_t bias, struct family *ret)
{
	struct family look = {0};
	bool changed = true;
	int err = 0, fruitless = 0;

	for (int i = 0; !err && i < LOOKS_MAX && fruitless < LOOKS_FRUITLESS; i++) {
		bool whole;

		changed = i == 0 || machine_refresh(machine);
		if (!changed)
			break;
		if (i == 1) {
			load_writable(machine, maps);
			(void)machine_refresh(machine);
		}
		family_done(&look);
		err = family_find(machine, functions, bias, &look);
		whole = i && !machine_torn_pages(machine);
		if (err == -ENOENT || err == -EAGAIN)
			err = 0;
		if (!err && whole)
			err = take_look(ret, &look, &fruitless);
	}
	/* It ended because the last look saw no change, or because there were enough. */
	if (!err && fruitless < LOOKS_FRUITLESS && changed)
		err = -EAGAIN;
	else if (!err && !changed)
		err = take_look(ret, &look, &fruitless);
	family_done(&look);
	return err ? err : ret->count ? 0 : -ENOENT;
}

static int find_with(const struct target *target, unnamed_pages *pages,
		     const struct code_functions *functions, struct family *ret)
{
	struct place place = {.pid = target->key.pid, .pages = pages};
	struct machine_source source = {
		.page = read_page, .pages_at_once = pages ? read_pages : NULL, .user = &place};
	_cleanup_(machine_freep) struct machine *machine = NULL;
	int err = maps_read(place.pid, &place.maps);

	if (err)
		return err;
	source.program_break = program_break(&place.maps);
	source.fs_base = find_thread(&place);
	err = source.fs_base ? machine_new(&source, &machine) : -ENOTSUP;
	if (!err)
		err = find_in(machine, &place.maps, functions, target->exe_bias, ret);
	maps_done(&place.maps);
	return err;
}

int unnamed_find(const struct target *target, unnamed_pages *pages, struct family *ret)
{
	struct code_functions functions = {0};
	struct family family = {0};
	int err = code_functions_list(target->exe_module->elf, &functions);

	if (!err)
		err = find_with(target, pages, &functions, &family);
	code_functions_done(&functions);
	if (err) {
		family_done(&family);
		return err == -EFBIG ? -ENOTSUP : err;
	}
	*ret = family;
	return 0;
}

static bool has_text(const struct elf_file *elf, const char *text)
{
	for (size_t i = 0; i < elf_file_segment_count(elf); i++) {
		const struct elf_segment *s = elf_file_segment(elf, i);
		const uint8_t *image;

		if (s->writable || s->file_bytes > TEXT_MAX_BYTES)
			continue;
		image = elf_file_image(elf, s->address, s->file_bytes);
		if (image && memmem(image, s->file_bytes, text, strlen(text)))
			return true;
	}
	return false;
}

const char *unnamed_allocator(const struct module *module)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
#define TEXT_ROW(name, text) {name, text},
		ALLOCATOR_TEXTS(TEXT_ROW)};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (has_text(module->elf, rows[i].text))
			return rows[i].name;
	return NULL;
}
