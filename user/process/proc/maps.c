/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "process/proc/proc_text.h"

/* vm.max_map_count can be raised; a line rarely has more than 150 bytes, so this is about a million. */
#define MAPS_MAX_BYTES ((size_t)128 << 20)

VEC_STRUCT(mapping_vec, struct mapping);

static bool take_flag(struct text *line, char set, bool *ret)
{
	*ret = text_take_char(line, set);
	return *ret || text_take_char(line, '-');
}

static bool take_protection(struct text *line, struct mapping *m)
{
	bool r, w, x;

	if (!take_flag(line, 'r', &r) || !take_flag(line, 'w', &w) || !take_flag(line, 'x', &x))
		return false;
	m->prot = (uint8_t)((r ? PROT_READ : 0) | (w ? PROT_WRITE : 0) | (x ? PROT_EXEC : 0));
	m->shared = text_take_char(line, 's');
	return m->shared || text_take_char(line, 'p');
}

static bool take_device(struct text *line, struct mapping *m)
{
	uint64_t major, minor;

	if (!text_take_hex(line, &major) || !text_take_char(line, ':') ||
	    !text_take_hex(line, &minor))
		return false;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	m->device_major = (uint32_t)major;
	m->device_minor = (uint32_t)minor;
	return true;
}

/* show_map_vma() in fs/proc/task_mmu.c prints the line; blanks pad it up to the path. */
static bool take_fixed_fields(struct text *line, struct mapping *m)
{
	return text_take_hex(line, &m->start) && text_take_char(line, '-') &&
	       text_take_hex(line, &m->end) && text_take_char(line, ' ') &&
	       take_protection(line, m) && text_take_char(line, ' ') &&
	       text_take_hex(line, &m->offset) && text_take_char(line, ' ') &&
	       take_device(line, m) && text_take_char(line, ' ') &&
	       text_take_decimal(line, &m->inode) && m->start < m->end;
}

/* The kernel escapes the newline only, so no other escape is undone: a backslash in a name is itself. */
static size_t undo_escapes(char *path, size_t len)
{
	size_t to = 0;

	for (size_t from = 0; from < len; to++) {
		if (len - from >= 4 && memcmp(path + from, "\\012", 4) == 0) {
			path[to] = '\n';
			from += 4;
		} else {
			path[to] = path[from++];
		}
	}
	return to;
}

/* Ends the path in place (in the text that maps owns): the byte after it is the newline or the final NUL. */
static void set_path(struct mapping *m, char *path, size_t len)
{
	static const char suffix[] = " (deleted)";
	const size_t suffix_len = sizeof(suffix) - 1;

	if (len > suffix_len && memcmp(path + len - suffix_len, suffix, suffix_len) == 0) {
		m->deleted = true;
		len -= suffix_len;
	}
	path[undo_escapes(path, len)] = '\0';
	m->path = path;
}

static int parse_line(char *text, struct text line, struct mapping *ret)
{
	struct mapping m = {.path = ""};

	if (!take_fixed_fields(&line, &m))
		return -EINVAL;
	if (line.p != line.end && *line.p != ' ')
		return -EINVAL;
	while (line.p < line.end && *line.p == ' ')
		line.p++;
	if (line.p != line.end)
		set_path(&m, text + (line.p - text), (size_t)(line.end - line.p));
	*ret = m;
	return 0;
}

/* Takes @text (NUL-terminated after @size bytes) over, in any case. */
static int parse_owned(char *text, size_t size, struct maps *ret)
{
	_cleanup_free_ char *owned = text;
	struct text rest = {text, text + size}, line;
	struct mapping_vec items = VEC_INIT;
	struct mapping m;
	uint64_t floor = 0;
	int err = memchr(text, '\0', size) ? -EINVAL : 0;

	while (!err && text_next_line(&rest, &line)) {
		err = parse_line(text, line, &m);
		if (!err && m.start < floor)
			err = -EINVAL;
		if (!err)
			err = vec_push(&items, m);
		if (!err)
			floor = m.end;
	}
	if (err) {
		vec_done(&items);
		return err;
	}
	*ret = (struct maps){
		.items = items.items, .count = items.count, .text = no_free_ptr(owned)};
	return 0;
}

int maps_parse(const char *text, size_t size, struct maps *ret)
{
	char *copy = text_copy((struct text){text, text + size});

	return copy ? parse_owned(copy, size, ret) : -ENOMEM;
}

int maps_read(int pid, struct maps *ret)
{
	char *text;
	size_t size;
	int err = proc_read(pid, "maps", MAPS_MAX_BYTES, &text, &size);

	return err ? err : parse_owned(text, size, ret);
}

void maps_done(struct maps *maps)
{
	free(maps->items);
	free(maps->text);
	*maps = (struct maps){0};
}

bool mapping_same_file(const struct mapping *a, const struct mapping *b)
{
	return a->inode == b->inode && a->device_major == b->device_major &&
	       a->device_minor == b->device_minor;
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == maps->count || maps->items[low].start > address)
		return NULL;
	return &maps->items[low];
}

bool maps_private_writable(const struct maps *maps, uint64_t start, uint64_t end)
{
	if (end < start)
		return false;
	while (start < end) {
		const struct mapping *m = maps_find(maps, start);

		if (!m || m->prot != (PROT_READ | PROT_WRITE) || m->shared)
			return false;
		start = m->end;
	}
	return true;
}
