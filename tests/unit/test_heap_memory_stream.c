// SPDX-License-Identifier: GPL-2.0-or-later
/* Another process's memory is read as it is, and is as it was: what was not there does not come. */
#include <fcntl.h>
#include <sys/mman.h>

#include "account/heap/memory_stream.h"
#include "heap_subject.h"

#define PLACE ((char *)0x6660000000)
#define PAGES 1000u

/* Every third page is touched; the 300s are inaccessible, the 600s unmapped. */
static void sparse(void)
{
	char *p = mmap(PLACE, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	madvise(p, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < PAGES; i += 3)
		*(uint64_t *)(void *)(p + i * PAGE_BYTES) = i + 1;
	mprotect(p + 300 * PAGE_BYTES, 100 * PAGE_BYTES, PROT_NONE);
	munmap(p + 600 * PAGE_BYTES, 100 * PAGE_BYTES);
	for (;;)
		subject_ready();
}

static const struct subject_role roles[] = {{"sparse", sparse}, {NULL, NULL}};

struct seen {
	uint64_t count, last;
};

static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct seen *seen = user;

	for (size_t i = 0; i < page_count; i++) {
		uint64_t page = (address - (uintptr_t)PLACE) / PAGE_BYTES + i;

		assert_true(address > seen->last);
		assert_int_equal(page % 3, 0);
		assert_int_equal(words[i * PAGE_WORDS], page + 1);
		seen->count++;
	}
	seen->last = address + (page_count - 1) * PAGE_BYTES;
	return 0;
}

static int stop_at_once(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	(void)address;
	(void)words;
	(void)page_count;
	++*(int *)user;
	return 77;
}

static uint64_t present_pages(pid_t pid)
{
	char path[64];
	uint64_t entry, count = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY);
	for (size_t i = 0; i < PAGES; i++) {
		off_t at = (off_t)(((uintptr_t)PLACE / PAGE_BYTES + i) * 8);

		assert_int_equal(pread(fd, &entry, 8, at), 8);
		count += entry >> 63;
	}
	close(fd);
	return count;
}

static void only_present_pages_are_read_and_none_comes_by_that(void **state)
{
	struct stream_range range = {(uintptr_t)PLACE, (uintptr_t)PLACE + PAGES * PAGE_BYTES,
				     STREAM_PRESENT};
	struct memory_stream stream;
	struct subject subject;
	struct seen seen = {0, 0};
	uint64_t before, expected = 0;
	int calls = 0;

	(void)state;
	for (size_t i = 0; i < PAGES; i += 3)
		expected += i < 600 || i >= 700;
	subject_start(&subject, "sparse");
	before = present_pages(subject.pid);
	assert_int_equal(before, expected);
	assert_int_equal(memory_stream_open(subject.pid, &stream), 0);
	assert_int_equal(memory_stream_range(&stream, range, on_pages, &seen), 0);
	assert_int_equal(seen.count, expected);
	assert_int_equal(stream.bytes, expected * PAGE_BYTES);
	assert_int_equal(stream.unreadable_bytes, 0);
	assert_int_equal(stream.swapped_bytes, 0);
	assert_int_equal(memory_stream_range(&stream, range, stop_at_once, &calls), 77);
	assert_int_equal(calls, 1);
	assert_int_equal(present_pages(subject.pid), before);
	stream.until_ns = 1;
	assert_int_equal(memory_stream_range(&stream, range, on_pages, &seen), -ETIME);
	stream.until_ns = 0;
	kill(subject.pid, SIGKILL);
	while (waitpid(subject.child, NULL, 0) < 0 && errno == EINTR)
		;
	assert_int_equal(memory_stream_range(&stream, range, stop_at_once, &calls), -ESRCH);
	memory_stream_close(&stream);
	close(subject.to);
	close(subject.from);
}

static void of_many_pieces_those_that_can_be_read_are(void **state)
{
	static uint64_t words[3000];
	static struct memory_piece pieces[3000];
	struct subject subject;

	(void)state;
	subject_start(&subject, "sparse");
	for (size_t i = 0; i < 3000; i++)
		pieces[i] = (struct memory_piece){
			(uintptr_t)PLACE + (i % 1100) / 3 * 3 * PAGE_BYTES, &words[i], 8, true};
	memory_read_pieces(subject.pid, pieces, 3000);
	for (size_t i = 0; i < 3000; i++) {
		size_t page = (i % 1100) / 3 * 3;
		bool there = page < 1000 && page / 100 != 3 && page / 100 != 6;

		assert_int_equal(pieces[i].ok, there);
		if (there)
			assert_int_equal(words[i], page + 1);
	}
	subject_stop(&subject);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_present_pages_are_read_and_none_comes_by_that),
		cmocka_unit_test(of_many_pieces_those_that_can_be_read_are),
	};

	subject_run(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
