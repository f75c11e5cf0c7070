// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fault_touch: makes memory resident in known functions, by kind.
 *
 * touch_anonymous: 16 MiB of anonymous memory written (no huge pages). touch_file: 4 MiB of a
 * file read through a private mapping. write_file_private: 2 MiB of the same file written, which are
 * anonymous pages of our own then. touch_shared: 8 MiB of shared memory written. touch_malloc: one
 * block of 32 MiB from malloc, of which the first 6 MiB are written. touch_again touches what is there:
 * nothing. The mappings are made before ready; touch_malloc's block after go.
 */
#include "truth.h"

#include <sys/mman.h>

#define MIB ((size_t)1 << 20)
enum { PAGE = 4096 };

TRUTH_FAULT(touch_anonymous, anon);
TRUTH_FAULT(touch_file, file);
TRUTH_FAULT(write_file_private, anon);
TRUTH_FAULT(touch_shared, shmem);
TRUTH_FAULT(touch_malloc, anon);
TRUTH_FAULT(touch_again, anon);
TRUTH_SITE(allocate_block);

static volatile char sink;

static inline __attribute__((always_inline)) void write_pages(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)p)[i] = 1;
}

TRUTH_FN static void touch_anonymous(char *p)
{
	write_pages(p, 16 * MIB);
	TRUTH_ALLOC(touch_anonymous, 16 * MIB);
}

TRUTH_FN static void touch_file(const char *p)
{
	for (size_t i = 0; i < 4 * MIB; i += PAGE)
		sink = p[i];
	TRUTH_ALLOC(touch_file, 4 * MIB);
}

TRUTH_FN static void write_file_private(char *p)
{
	write_pages(p, 2 * MIB);
	TRUTH_ALLOC(write_file_private, 2 * MIB);
}

TRUTH_FN static void touch_shared(char *p)
{
	write_pages(p, 8 * MIB);
	TRUTH_ALLOC(touch_shared, 8 * MIB);
}

TRUTH_FN static char *allocate_block(void)
{
	char *p = malloc(32 * MIB);

	TRUTH_STAY();
	TRUTH_ALLOC(allocate_block, 32 * MIB);
	return p;
}

/* From the first whole page on: the page before holds malloc's header, and is there already. */
TRUTH_FN static void touch_malloc(char *p)
{
	p += PAGE - ((size_t)p & (PAGE - 1));
	madvise(p, 6 * MIB, MADV_NOHUGEPAGE);
	write_pages(p, 6 * MIB);
	TRUTH_ALLOC(touch_malloc, 6 * MIB);
}

TRUTH_FN static void touch_again(char *p)
{
	write_pages(p, 16 * MIB);
}

static char *map(size_t bytes, int flags, int fd)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		_exit(71);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

/* On disk if TMPDIR is: a memfd would count as shared memory. */
static int make_file(size_t bytes)
{
	static const char block[65536] = "contents";
	char path[4096];
	const char *directory = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/fault_touch.XXXXXX", directory ? directory : "/var/tmp");
	int fd = mkstemp(path);
	if (fd < 0)
		_exit(71);
	unlink(path);
	for (size_t i = 0; i < bytes; i += sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			_exit(71);
	return fd;
}

int main(int argc, char **argv)
{
	int fd = make_file(8 * MIB);
	char *anonymous = map(16 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *file = map(4 * MIB, MAP_PRIVATE, fd);
	char *file_written = map(2 * MIB, MAP_PRIVATE, fd);
	char *shared = map(8 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);

	truth_begin(argc, argv);
	touch_anonymous(anonymous);
	touch_file(file);
	write_file_private(file_written);
	touch_shared(shared);
	touch_malloc(allocate_block());
	touch_again(anonymous);
	truth_end();
	return 0;
}
