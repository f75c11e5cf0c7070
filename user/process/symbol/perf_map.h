/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf_map.h - names of jitted code, from the text of a /tmp/perf-PID.map.
 *
 * One line a function: "START SIZE name…", both numbers hexadecimal without 0x (tools/perf's
 * Documentation/jit-interface.txt in the kernel). The file only ever grows, so where lines overlap the later one
 * tells what is there now. Hostile: lines that are not of this form and those above PERF_MAP_MAX_LINES
 * are counted, not kept. One owner, one thread.
 */
#ifndef HOLDFAST_SYMBOL_PERF_MAP_H
#define HOLDFAST_SYMBOL_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERF_MAP_MAX_BYTES ((size_t)256 << 20)
#define PERF_MAP_MAX_LINES ((size_t)2 << 20)

struct perf_map;

/* Takes @text over in any case: heap, @size bytes and one more (which is written to). 0 or -ENOMEM. */
int perf_map_new(char *text, size_t size, struct perf_map **ret);
void perf_map_free(struct perf_map *map);

/* The function at @address. The name has any bytes and belongs to the map. */
bool perf_map_find(const struct perf_map *map, uint64_t address, const char **ret_name,
		   uint64_t *ret_start);

uint64_t perf_map_bytes(const struct perf_map *map);   /* memory it holds */
uint64_t perf_map_dropped(const struct perf_map *map); /* lines not kept */

#endif
