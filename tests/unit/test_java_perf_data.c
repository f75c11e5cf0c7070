/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Java virtual machine tells of its collectors, made here as HotSpot makes it. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/java/perf_data.h"

struct file {
	uint8_t bytes[4096];
	size_t size;
	uint32_t entries;
};

static void put32(struct file *f, size_t at, uint32_t value)
{
	memcpy(f->bytes + at, &value, sizeof(value));
}

static void add(struct file *f, const char *name, uint64_t value)
{
	size_t name_bytes = (strlen(name) + 8) / 8 * 8 + 4, length = 20 + name_bytes + 8;

	put32(f, f->size, (uint32_t)length);
	put32(f, f->size + 4, 20);
	f->bytes[f->size + 12] = 'J';
	put32(f, f->size + 16, (uint32_t)(20 + name_bytes));
	strcpy((char *)f->bytes + f->size + 20, name);
	memcpy(f->bytes + f->size + 20 + name_bytes, &value, sizeof(value));
	f->size += length;
	f->entries++;
	put32(f, 28, f->entries);
}

static void init(struct file *f)
{
	static const uint8_t head[] = {0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1};

	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, head, sizeof(head));
	put32(f, 24, 32);
	f->size = 32;
	add(f, "sun.gc.collector.0.invocations", 12);
	add(f, "sun.gc.collector.0.time", 3000);
	add(f, "sun.gc.collector.1.invocations", 2);
	add(f, "sun.gc.collector.1.time", 1000);
	add(f, "sun.os.hrt.frequency", 1000);
	add(f, "sun.gc.generation.0.space.0.used", 100);
	add(f, "sun.gc.generation.1.space.0.used", 900);
	add(f, "sun.gc.generation.0.space.0.capacity", 7);
	add(f, "sun.gc.generation.0.threads.used", 7);
	add(f, "sun.gc.collector.name.time", 7);
}

static void counters_of_all_collectors_are_added_up(void **state)
{
	struct java_perf_data found;
	struct file f;

	(void)state;
	init(&f);
	assert_int_equal(java_perf_data_parse(f.bytes, f.size, &found), 0);
	assert_int_equal(found.collections, 14);
	assert_int_equal(found.collection_ns, 4000000000);
	assert_int_equal(found.heap_used_bytes, 1000);
}

static void what_is_no_such_file_is_refused(void **state)
{
	struct java_perf_data found;
	struct file f;

	(void)state;
	init(&f);
	f.bytes[7] = 0; /* still being filled in */
	assert_int_equal(java_perf_data_parse(f.bytes, f.size, &found), -EINVAL);
	f.bytes[7] = 1;
	f.bytes[4] = 0; /* big-endian */
	assert_int_equal(java_perf_data_parse(f.bytes, f.size, &found), -EINVAL);
	f.bytes[4] = 1;
	for (size_t size = 0; size < f.size; size++)
		assert_int_equal(java_perf_data_parse(f.bytes, size, &found), -EINVAL);
	put32(&f, 32, UINT32_MAX); /* an entry without end */
	assert_int_equal(java_perf_data_parse(f.bytes, f.size, &found), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_of_all_collectors_are_added_up),
		cmocka_unit_test(what_is_no_such_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
