/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child of ours to be probed: it calls small functions, each beginning with the kind of instruction that a probe is to
 * meet, and tells what that took. It does nothing on its own and ends when we do.
 */
#ifndef HOLDFAST_PROBE_SUBJECT_H
#define HOLDFAST_PROBE_SUBJECT_H

#include <stdint.h>

enum subject_call {
	SUBJECT_BARE, /* as those below, never probed */
	SUBJECT_EMULATED,
	SUBJECT_NOP5,
	SUBJECT_STEPPED,
	SUBJECT_SESSION,
	SUBJECT_SESSION_ENTRY,
	SUBJECT_RETURN,
	SUBJECT_EVENT,
	SUBJECT_CALLS
};

struct subject {
	int pid; /* 0: none */
	int fd;
};

/* Only while this process has one thread. 0 or -errno. */
int subject_start(struct subject *ret);
void subject_end(struct subject *subject);

/* Where it is in the file of this program. 0 or -errno. */
int subject_offset(enum subject_call call, uint64_t *ret);

/* CPU time of the child, a call. -EPIPE: it is gone. */
int subject_run(const struct subject *subject, enum subject_call call, uint32_t times,
		double *ret_ns);

/* CPU time that a system call takes this thread. */
double subject_syscall_ns(void);

/* The lower quartile: what it takes when nothing else comes between. Sorts the values. */
double subject_quartile(double *values, unsigned int count);

#endif
