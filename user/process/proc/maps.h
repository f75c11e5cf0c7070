/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/maps: the address space of a process at one moment. Sorted by start, no overlaps (what
 * the kernel prints; a text that breaks it is refused with -EINVAL by the parser).
 */
#ifndef HOLDFAST_PROC_MAPS_H
#define HOLDFAST_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
	uint64_t start, end; /* [start, end) */
	uint64_t offset;     /* into the file, bytes */
	uint64_t inode;      /* 0: anonymous */
	uint32_t device_major, device_minor;
	uint8_t prot; /* PROT_READ | PROT_WRITE | PROT_EXEC */
	bool shared;
	bool deleted; /* the kernel appended " (deleted)", which is cut from the path */
	const char *
		path; /* "" if none; "[heap]", "[stack]", "[vdso]", "[anon:name]" as printed, octal escapes undone */
};

struct maps {
	struct mapping *items;
	size_t count;
	char *text; /* owns the paths */
};

/* -ESRCH if the process is gone, -EACCES, -ENOMEM. */
int maps_read(int pid, struct maps *ret);
/* Parses @size bytes (not necessarily NUL-terminated). -EINVAL on a malformed line. */
int maps_parse(const char *text, size_t size, struct maps *ret);
void maps_done(struct maps *maps);

/* Both of one file, by inode and device. */
bool mapping_same_file(const struct mapping *a, const struct mapping *b);

/* Is all of [start, end) mapped to be read and written, and private? False if the end lies before the start. */
bool maps_private_writable(const struct maps *maps, uint64_t start, uint64_t end);
/* The mapping that covers @address, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

#endif
