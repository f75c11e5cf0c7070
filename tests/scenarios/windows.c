// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * windows: each act maps a window of 64 KiB and fills it. --keep=N: of the last N all are held, older
 * ones unmapped; 0: none is. --file: instead, one file of 96 MiB is mapped and read further and
 * further, 16 KiB an act, again and again.
 */
#include "course.h"

#include <sys/mman.h>

enum { WINDOW = 64 << 10, KEEP_MAX = 64, FILE_BYTES = 96 << 20, READ_BYTES = 16 << 10 };

APART static void *map_window(void)
{
	void *window =
		mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (window == MAP_FAILED)
		abort();
	KEEP(window);
	memset(window, 'w', WINDOW);
	return window;
}

APART static void use_window(void)
{
	char *window = map_window();

	KEEP(window);
	course_grew(WINDOW);
}

static void keep_window(unsigned long keep)
{
	static void *windows[KEEP_MAX];
	void **slot = &windows[course.steps % keep];

	if (*slot)
		munmap(*slot, WINDOW);
	*slot = map_window();
}

APART static const volatile char *map_file(void)
{
	char path[] = "/var/tmp/windows.XXXXXX";
	int file = mkstemp(path);

	if (file < 0 || unlink(path) || ftruncate(file, FILE_BYTES))
		abort();
	void *pages = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);
	if (pages == MAP_FAILED)
		abort();
	close(file);
	return pages;
}

static unsigned long read_further(const volatile char *pages)
{
	size_t from = course.steps * READ_BYTES % FILE_BYTES;
	unsigned long sum = 0;

	for (size_t i = 0; i < READ_BYTES; i += 512)
		sum += (unsigned long)pages[from + i];
	return sum;
}

int main(int argc, char **argv)
{
	const volatile char *file = NULL;

	course_begin(argc, argv, 10);
	unsigned long keep = (unsigned long)course_number("--keep", 0);

	if (course_text("--file", NULL))
		file = map_file();
	while (course_step()) {
		if (file)
			read_further(file);
		else if (keep)
			keep_window(keep < KEEP_MAX ? keep : KEEP_MAX);
		else
			use_window();
	}
	return 0;
}
