// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/java/perf_data.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "process/proc/maps.h"
#include "process/proc/process.h"

#define MAGIC          0xc0c0fecau /* cafec0c0, the bytes as they stand */
#define LITTLE_ENDIAN_ 1
#define MAJOR          2
#define HEAD_BYTES     32
#define ENTRY_BYTES    20
#define TYPE_LONG      'J'
#define BYTES_MAX      (1u << 20)
#define PATH_PART      "/hsperfdata_"

struct sums {
	struct java_perf_data data;
	uint64_t ticks, frequency;
};

struct head {
	uint32_t entry_offset, entries;
};

static bool read_head(const uint8_t *bytes, size_t size, struct head *ret)
{
	struct cursor c = cursor_of(bytes, size);
	uint32_t magic = cursor_u32(&c);
	uint8_t order = cursor_u8(&c), major = cursor_u8(&c);

	cursor_skip(&c, 1); /* minor version */
	if (!cursor_u8(&c) || magic != MAGIC || order != LITTLE_ENDIAN_ || major != MAJOR)
		return false; /* the first: it is still being filled in */
	cursor_skip(&c, 16);  /* used, overflow, time of the last change */
	ret->entry_offset = cursor_u32(&c);
	ret->entries = cursor_u32(&c);
	return !c.bad && ret->entry_offset >= HEAD_BYTES;
}

/* Does a counter's name have this beginning and this end, and between them nothing but numbers and @middle? */
static bool is_named(const char *name, const char *begin, const char *middle, const char *end)
{
	size_t length = strlen(name), begins = strlen(begin), ends = strlen(end);
	const char *at;

	if (length < begins + ends || strncmp(name, begin, begins) != 0 ||
	    strcmp(name + length - ends, end) != 0)
		return false;
	for (at = name + begins; at < name + length - ends; at++) {
		size_t part = strlen(middle);

		if (part && (size_t)(name + length - ends - at) >= part &&
		    !strncmp(at, middle, part))
			at += part - 1;
		else if (*at < '0' || *at > '9')
			return false;
	}
	return true;
}

static void take_counter(const char *name, uint64_t value, struct sums *sums)
{
	if (is_named(name, "sun.gc.collector.", "", ".invocations"))
		sums->data.collections += value;
	else if (is_named(name, "sun.gc.collector.", "", ".time"))
		sums->ticks += value;
	else if (is_named(name, "sun.gc.generation.", ".space.", ".used"))
		sums->data.heap_used_bytes += value;
	else if (!strcmp(name, "sun.os.hrt.frequency"))
		sums->frequency = value;
}

/* Of an entry: its length, where its name is, how many values, their type, flags, unit, variability, and where they are. */
static bool take_entry(struct cursor *c, struct sums *sums)
{
	const uint8_t *begin = c->p, *entry;
	uint32_t length = cursor_u32(c), name_at = cursor_u32(c), count = cursor_u32(c), data_at;
	uint8_t type = cursor_u8(c);
	struct cursor name_cursor, data;
	const char *name;

	cursor_skip(c, 3);
	data_at = cursor_u32(c);
	if (c->bad || length < ENTRY_BYTES || length - ENTRY_BYTES > cursor_left(c) ||
	    name_at < ENTRY_BYTES || name_at > length || data_at > length)
		return false;
	entry = begin;
	cursor_skip(c, length - ENTRY_BYTES);
	if (type != TYPE_LONG || count)
		return true;
	name_cursor = cursor_of(entry + name_at, length - name_at);
	name = cursor_cstr(&name_cursor, NULL);
	data = cursor_of(entry + data_at, length - data_at);
	if (name) {
		uint64_t value = cursor_u64(&data);

		if (!data.bad)
			take_counter(name, value, sums);
	}
	return true;
}

int java_perf_data_parse(const uint8_t *bytes, size_t size, struct java_perf_data *ret)
{
	struct sums sums = {0};
	struct cursor c;
	struct head head;

	if (!read_head(bytes, size, &head) || head.entry_offset > size)
		return -EINVAL;
	c = cursor_of(bytes + head.entry_offset, size - head.entry_offset);
	for (uint32_t i = 0; i < head.entries; i++)
		if (!take_entry(&c, &sums))
			return -EINVAL;
	if (sums.frequency)
		sums.data.collection_ns = (uint64_t)fmin(
			(double)sums.ticks / (double)sums.frequency * NS_PER_S, 1e18);
	*ret = sums.data;
	return 0;
}

int java_perf_data_find(int pid, struct java_perf_area *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	const struct mapping *found = NULL;
	int err = maps_read(pid, &maps);

	if (err)
		return err;
	for (size_t i = 0; !found && i < maps.count; i++)
		if (maps.items[i].shared && strstr(maps.items[i].path, PATH_PART))
			found = &maps.items[i];
	if (!found)
		return -ENOENT;
	*ret = (struct java_perf_area){found->start, found->end - found->start};
	return ret->bytes > BYTES_MAX ? -EINVAL : 0;
}

int java_perf_data_read(int pid, const struct java_perf_area *area, struct java_perf_data *ret)
{
	_cleanup_free_ uint8_t *bytes = malloc(area->bytes);
	int err;

	if (!bytes)
		return -ENOMEM;
	err = process_read_memory(pid, area->address, bytes, area->bytes);
	return err ? err : java_perf_data_parse(bytes, area->bytes, ret);
}
