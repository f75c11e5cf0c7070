/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_file.h - finds the separate debug file of a binary, and proves that it belongs to it.
 *
 * Searched in this order, each path first in our root, then in the target's:
 *	/usr/lib/debug/.build-id/ab/cdef.debug
 *	.gnu_debuglink: beside the binary, in .debug/ there, under /usr/lib/debug/<its directory>
 *	/usr/lib/debug/<path>.debug
 * A file counts only if its build id equals the binary's; where one of the two has none, only a debug
 * link with the right CRC does. Names inside a binary are hostile: no path escapes, regular files only.
 */
#ifndef HOLDFAST_SYMBOL_DEBUG_FILE_H
#define HOLDFAST_SYMBOL_DEBUG_FILE_H

#include <stdbool.h>

struct elf_file;

/* Where to look. */
struct debug_file_place {
	const char *path; /* of the binary, as the target sees it; may be NULL */
	int root_pid;     /* whose root the second place is */
	/* Opens read-only within that root: a descriptor or -errno. NULL: only our root. */
	int (*open_in_target)(int root_pid, const char *path);
};

struct debug_file {
	struct elf_file *file; /* NULL: a supplementary file */
	int fd;      /* of the supplementary file, else the file's; owned in the first case */
	char *path;  /* where it was found */
	bool steady; /* in our root, and root alone can write it */
};

#define DEBUG_FILE_NONE  \
	{                \
		.fd = -1 \
	}

/* Caller's storage. -ENOENT, -ENOMEM. */
int debug_file_find(const struct elf_file *file, const struct debug_file_place *place,
		    struct debug_file *ret);
/* Fine on DEBUG_FILE_NONE, which it leaves behind. */
void debug_file_done(struct debug_file *found);

/*
 * The supplementary file (dwz) that .gnu_debugaltlink of @file names, @place->path being @file's own.
 * -ENOENT: it names none, or it was not found.
 */
int debug_file_find_supplementary(const struct elf_file *file, const struct debug_file_place *place,
				  struct debug_file *ret);

#endif
