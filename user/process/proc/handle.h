/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process held by descriptors of its files below /proc, for who reads the same few files of many processes again and again.
 *
 *	process_handle_open(pid, &handle)        the key is what was found there
 *	process_handle_stat(&handle, &stat)      3.6 us where by name it takes 8.4; RSS and VMS 1.4 instead of 6.0
 *	process_handle_memory(&handle, full, &memory)
 *	process_handle_done(&handle)
 *
 * The descriptors belong to that process, never to a later one with its pid: when it is gone every reader says -ESRCH. What may be read is
 * decided when they are opened (proc(5), ptrace(2) "access mode checking"), so they can be handed to somebody who may not open them
 * (unix(7), SCM_RIGHTS). smaps_rollup is of the program that ran then: after an exec it says -ESRCH as well, while stat goes on;
 * process_handle_reopen() renews it.
 *
 * Caller's storage; one owner, one thread.
 */
#ifndef HOLDFAST_PROC_HANDLE_H
#define HOLDFAST_PROC_HANDLE_H

#include "process/proc/memory.h"
#include "process/proc/process.h"

/* X(upper, name): the files, in the order of the descriptors. */
#define PROCESS_HANDLE_FILES(X) \
	X(DIRECTORY, ".")       \
	X(STAT, "stat")         \
	X(STATM, "statm")       \
	X(STATUS, "status")     \
	X(ROLLUP, "smaps_rollup")

enum process_handle_file {
#define X(upper, name) HANDLE_##upper,
	PROCESS_HANDLE_FILES(X)
#undef X
		PROCESS_HANDLE_FILE_COUNT
};

struct process_handle {
	struct process_key key;
	int fds[PROCESS_HANDLE_FILE_COUNT]; /* -1: it could not be opened (or is not wanted) */
};

#define PROCESS_HANDLE_INIT                   \
	{                                     \
		.fds = { -1, -1, -1, -1, -1 } \
	}

/* 0, -ESRCH, -EMFILE, … Only smaps_rollup may be refused without an error: then there is no PSS and USS. */
int process_handle_open(int pid, struct process_handle *ret);
void process_handle_done(struct process_handle *handle);
/* Opens smaps_rollup anew. 0; -EACCES: not allowed. */
int process_handle_reopen(struct process_handle *handle);

/* 0; -ESRCH: gone. -EINVAL: not understood. */
int process_handle_stat(const struct process_handle *handle, struct process_stat *ret);
/* As process_memory_read(); -EACCES: @full, and smaps_rollup was refused. */
int process_handle_memory(const struct process_handle *handle, bool full,
			  struct process_memory *ret);

#endif
