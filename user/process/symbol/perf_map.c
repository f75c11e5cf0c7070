/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "process/symbol/range_table.h"

struct perf_map {
	char *text; /* names point into it */
	size_t size;
	struct range_table ranges; /* -> name */
	uint64_t dropped;
};

/* Up to the next blank; moves on past it. Some writers do put a 0x in front. */
static bool parse_hex(char **at, uint64_t *ret)
{
	uint64_t value = 0;
	char *p = *at;
	int digit;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	if (units_hex_digit(*p) < 0)
		return false;
	for (; (digit = units_hex_digit(*p)) >= 0; p++) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)digit;
	}
	if (*p != ' ' && *p != '\t')
		return false;
	*at = p + 1;
	*ret = value;
	return true;
}

/* @line ends with a NUL. */
static bool parse_line(char *line, struct range_entry *ret)
{
	uint64_t start, size;

	if (!parse_hex(&line, &start) || !parse_hex(&line, &size) || !line[0] || !size ||
	    __builtin_add_overflow(start, size, &ret->end))
		return false;
	ret->start = start;
	ret->value = (uintptr_t)line;
	return true;
}

static int parse(struct perf_map *map, struct range_entry_vec *entries)
{
	char *line = map->text, *end = map->text + map->size, *next;
	struct range_entry entry = {0};
	int err = 0;

	*end = '\0';
	for (; !err && line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		*next = '\0';
		if (next == line)
			continue;
		if (entries->count >= PERF_MAP_MAX_LINES || !parse_line(line, &entry)) {
			map->dropped++;
			continue;
		}
		entry.priority = (uint32_t)entries->count;
		err = vec_push(entries, entry);
	}
	return err;
}

int perf_map_new(char *text, size_t size, struct perf_map **ret)
{
	struct range_entry_vec entries = VEC_INIT;
	struct perf_map *map = calloc(1, sizeof(*map));
	int err;

	if (!map) {
		free(text);
		return -ENOMEM;
	}
	map->text = text;
	map->size = size;
	err = parse(map, &entries);
	if (!err)
		err = range_table_init(&map->ranges, entries.items, entries.count);
	vec_done(&entries);
	if (err) {
		perf_map_free(map);
		return err;
	}
	*ret = map;
	return 0;
}

void perf_map_free(struct perf_map *map)
{
	if (!map)
		return;
	range_table_done(&map->ranges);
	free(map->text);
	free(map);
}

bool perf_map_find(const struct perf_map *map, uint64_t address, const char **ret_name,
		   uint64_t *ret_start)
{
	uint64_t name, start;

	if (!range_table_find(&map->ranges, address, &name, &start))
		return false;
	*ret_name = (const char *)(uintptr_t)name;
	*ret_start = start;
	return true;
}

uint64_t perf_map_bytes(const struct perf_map *map)
{
	return map->size + map->ranges.count * sizeof(struct range);
}

uint64_t perf_map_dropped(const struct perf_map *map)
{
	return map->dropped;
}
