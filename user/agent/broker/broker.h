/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that keeps the privileges, so that the agent, which talks to networks and keeps the books, needs none.
 *
 *	broker_new(&options, &broker, err)	forks it; before there is a thread, and before anything foreign is read
 *	broker_open(broker, pid, ...)		descriptors of a process's files, and where its program lies
 *	broker_start(broker, &request, ...)	a job on it (agent/broker/job.h)
 *	broker_kill(broker, job)		one that does not answer any more
 *	broker_oom_kill(broker, key, ...)	did the kernel kill it for memory?
 *	broker_open_file(broker, which, &fd)	one of the agent's own files
 *	broker_weigh(broker, &bytes)		the memory that it takes itself
 *	broker_reload(broker)			the configuration changed: read, and kept ready
 *	broker_adopt(broker)			... and in force from now on
 *	broker_free(broker)			it ends, and its jobs with it
 *
 * It holds the capabilities of confine.h, as another user where it was root, and a filter of system calls; its jobs hold what
 * their work needs of that.
 *
 * Whatever is asked for, the broker looks itself whether that process may be watched (options.match, called there). Its requests are
 * plain data of fixed size; it parses nothing but /proc's own texts. It ends when the agent does, in whatever way, and its jobs are killed then: who ends in order has told them
 * before (JOB_STOP).
 *
 * One owner, main thread; each call waits for the answer (20 us; a START 0.3 ms), BROKER_WAIT_NS at most.
 */
#ifndef HOLDFAST_BROKER_BROKER_H
#define HOLDFAST_BROKER_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/broker/confine.h"
#include "agent/broker/job.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "process/proc/handle.h"

#define BROKER_WAIT_NS  5000000000ULL
#define BROKER_JOBS_MAX 64 /* at once */

struct broker_options {
	/* In the broker: the index of the rule by which this process may be watched, or -errno. */
	int (*match)(void *user, int pid);
	/* In the broker: what the parts of a program are, for a job that begins now. */
	const struct rules *(*rules)(void *user);
	/* In the broker: reads the rules anew, which hold once they are adopted. 0, or -errno. */
	int (*reload)(void *user);
	void (*adopt)(void *user);
	/* In the broker: a descriptor of file @which, whatever that means to both, or -errno. */
	int (*open_file)(void *user, uint32_t which);
	void *user;
	/* Whom broker and jobs run as, where the caller is root; uid 0: as they are. */
	struct confine_user run_as;
};

struct broker;

int broker_new(const struct broker_options *options, struct broker **ret, struct hf_error *error);
void broker_free(struct broker *broker);
DEFINE_CLEANUP(struct broker *, broker_free);

/*
 * All return 0; -EPERM: the process may not be watched; -ESRCH: it is gone; -EPIPE: the broker is; -ETIMEDOUT: it does not answer,
 * and won't be asked again; -errno.
 */

/* The handle is the caller's. @ret_exe: on the heap; "": not known. @ret_rule: what options.match says. */
int broker_open(struct broker *broker, int pid, struct process_handle *ret_handle, char **ret_exe,
		int *ret_rule);
/* @ret_fd: the agent's end of the job's stream, the caller's. -EBUSY: BROKER_JOBS_MAX run. */
int broker_start(struct broker *broker, const struct job_request *request, pid_t *ret_job,
		 int *ret_fd);
/* SIGKILL. -ESRCH: it is no job of the broker's. */
int broker_kill(struct broker *broker, pid_t job);
/* What was read before and not adopted is forgotten. -errno of options.reload. */
int broker_reload(struct broker *broker);
/* -EINVAL: nothing was read. */
int broker_adopt(struct broker *broker);
#define BROKER_PLACES_MAX 64
#define BROKER_UNKNOWN    UINT64_MAX

/* Where a process of Python keeps its counts of collections (session/collector_place.h). */
struct broker_place {
	struct process_key key;
	uint64_t address;
};

struct broker_places {
	uint32_t count;
	struct broker_place items[BROKER_PLACES_MAX];
};

/*
 * How often each of these has collected garbage (agent/watch/collector.h), all in one question. The broker reads: whoever asks
 * gets no descriptor of a target's memory. @ret_counts[i]: BROKER_UNKNOWN where nothing is known, for another program runs there, or it may not be watched.
 */
int broker_read_collectors(struct broker *broker, const struct broker_places *places,
			   uint64_t ret_counts[BROKER_PLACES_MAX]);
/* What the kernel knew when it chose a process to be killed for memory. */
struct broker_oom_kill {
	uint64_t time_ns;   /* CLOCK_MONOTONIC */
	uint64_t rss_bytes; /* 0: not known */
};

/* Final for a process that is seen to be gone (capture/probe/oom.h). -ENOENT: it was not; -ENOTSUP: nobody looks, see below. */
int broker_oom_kill(struct broker *broker, struct process_key key, struct broker_oom_kill *ret);
/* 0: kills are seen; -ENOENT: the kernel has no oom:mark_victim; -EPERM; -errno. */
int broker_sees_oom_kills(struct broker *broker);
/* What options.open_file gives; @ret_fd is the caller's. */
int broker_open_file(struct broker *broker, uint32_t which, int *ret_fd);

/* PSS of the broker and of the counter, whose memory nobody else may look at. */
int broker_weigh(struct broker *broker, uint64_t *ret_bytes);
pid_t broker_pid(const struct broker *broker);
/* It, or one of its helpers: the counter (agent/broker/counter.h), who measures costs. Jobs are not among them. */
bool broker_is_own(const struct broker *broker, pid_t pid);

#endif
