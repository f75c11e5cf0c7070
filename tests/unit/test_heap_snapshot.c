// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot comes out of a file as it went in; one that is damaged is refused, or harmless. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/heap/snapshot.h"
#include "cmocka_all.h"

static const struct heap_type types[] = {{HEAP_TEXT, NULL}, {HEAP_CLASS, "3Foo"}, {HEAP_DATA, ""}};
static const struct heap_group groups[] = {
	{.type = 1, .size_bytes = 40, .count = 7, .sample = "some text", .holder = {.path = "/a/b"}},
	{.type = 0, .size_bytes = 24, .holder = {.path = ""}},
};
static const struct heap_lost lost[] = {
	{.address = 0x1000, .size_bytes = 40, .type = 1, .group = 0, .confirmed = true},
	{.address = 0x2000, .size_bytes = 24, .type = 0, .group = 1, .looks = 3},
};

static int pack(void)
{
	struct heap_snapshot s = {.pid = 42,
				  .reason = "because",
				  .types = types,
				  .type_count = 3,
				  .groups = groups,
				  .group_count = 2,
				  .lost = lost,
				  .lost_total = 2,
				  .live_set = HEAP_GLIBC};
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	assert_int_equal(heap_snapshot_pack(&s, fd), 0);
	return fd;
}

/* Reads all that it points to. */
static size_t walk(const struct heap_snapshot *s)
{
	size_t sum = strlen(s->reason) + strlen(heap_live_set_name(s->live_set));

	for (size_t i = 0; i < s->type_count; i++)
		sum += strlen(s->types[i].name) + strlen(heap_kind_name(s->types[i].kind));
	for (size_t i = 0; i < s->group_count; i++)
		sum += strlen(s->groups[i].sample) + strlen(s->groups[i].holder.path) +
		       strlen(s->types[s->groups[i].type].name) +
		       strlen(s->types[s->groups[i].holder.container_type].name);
	for (size_t i = 0; i < s->lost_total; i++)
		sum += strlen(s->types[s->lost[i].type].name) + s->groups[s->lost[i].group].count;
	return sum;
}

static void it_comes_out_as_it_went_in(void **state)
{
	struct heap_snapshot *s = NULL;
	int fd = pack();

	(void)state;
	assert_int_equal(heap_snapshot_unpack(fd, &s), 0);
	assert_int_equal(s->pid, 42);
	assert_string_equal(s->reason, "because");
	assert_string_equal(s->types[1].name, "3Foo");
	assert_string_equal(s->types[0].name, "");
	assert_string_equal(s->groups[0].sample, "some text");
	assert_string_equal(s->groups[0].holder.path, "/a/b");
	assert_string_equal(s->groups[1].sample, "");
	assert_int_equal(s->lost[1].looks, 3);
	assert_true(walk(s) > 0);
	heap_snapshot_free(s);
	heap_snapshot_free(NULL);
	close(fd);
}

static void damaged_bytes_lead_nowhere(void **state)
{
	int fd = pack(), damaged = memfd_create("test", 0);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)size), *copy = malloc((size_t)size);
	static const uint8_t values[] = {0, 1, 8, 0x7f, 0x80, 0xff};
	unsigned int refused = 0, taken = 0;

	(void)state;
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	for (off_t i = 0; i < size; i++)
		for (size_t v = 0; v < sizeof(values); v++) {
			struct heap_snapshot *s = NULL;

			memcpy(copy, bytes, (size_t)size);
			copy[i] = values[v];
			assert_int_equal(pwrite(damaged, copy, (size_t)size, 0), size);
			if (heap_snapshot_unpack(damaged, &s)) {
				refused++;
				continue;
			}
			taken++;
			walk(s);
			heap_snapshot_free(s);
		}
	assert_true(refused > 100 && taken > 100);
	free(bytes);
	free(copy);
	close(fd);
	close(damaged);
}

static void one_that_was_cut_is_refused(void **state)
{
	int fd = pack();
	off_t size = lseek(fd, 0, SEEK_END);
	struct heap_snapshot *s = NULL;

	(void)state;
	while (--size >= 0) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(heap_snapshot_unpack(fd, &s), -EBADMSG);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_out_as_it_went_in),
		cmocka_unit_test(damaged_bytes_lead_nowhere),
		cmocka_unit_test(one_that_was_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
