/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What agent and broker say to each other, one packet each (unix(7), SOCK_SEQPACKET). Both are this program. Private to this folder. */
#ifndef HOLDFAST_BROKER_BROKER_INTERNAL_H
#define HOLDFAST_BROKER_BROKER_INTERNAL_H

#include <limits.h>
#include <stddef.h>

#include "agent/broker/broker.h"

enum broker_ask_kind {
	BROKER_OPEN = 1,
	BROKER_START,
	BROKER_KILL,
	BROKER_RELOAD,
	BROKER_OOM,
	BROKER_FILE,
	BROKER_COLLECTORS,
	BROKER_ADOPT,
	BROKER_WEIGH
};

struct broker_ask {
	uint32_t kind;
	int32_t pid; /* OPEN: the process; KILL: the job; FILE: which */
	union {
		struct job_request job; /* START; OOM: only its key; with 0: are kills seen at all? */
		struct broker_places places; /* COLLECTORS */
	};
};

struct broker_answer {
	int32_t err;  /* 0 or -errno */
	int32_t job;  /* START: its pid; when it is ready: the counter's, 0: there is none */
	int32_t rule; /* OPEN; when it is ready: who measures costs, or 0 */
	struct process_key key;
	struct broker_oom_kill oom_kill;
	uint64_t pss_bytes; /* WEIGH */
	uint32_t fds; /* OPEN: bit i: the i-th file's descriptor comes along, in order; START, FILE: the only one */
	union {
		char exe[PATH_MAX + 16];            /* OPEN; " (deleted)" may stand behind it */
		uint64_t counts[BROKER_PLACES_MAX]; /* COLLECTORS */
	};
};

#define BROKER_FDS_MAX PROCESS_HANDLE_FILE_COUNT

/* One packet with up to BROKER_FDS_MAX descriptors, which stay the caller's. 0 or -errno. */
int broker_wire_send(int fd, const void *bytes, size_t size, const int *fds, size_t fd_count);
/*
 * One packet of exactly @size bytes. @ret_fds: room for BROKER_FDS_MAX, the caller's then. 0; -EPIPE: the other is gone; -EBADMSG: it was none
 * of these; -errno.
 */
int broker_wire_receive(int fd, void *ret_bytes, size_t size, int *ret_fds, size_t *ret_fd_count);

/* The broker's own life, in the child; returns when the agent is gone. @fd: its end. Says one answer unasked: it is ready, or why not. */
void broker_serve(const struct broker_options *options, int fd);

#endif
