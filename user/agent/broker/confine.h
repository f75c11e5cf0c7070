/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process of the agent gives up, once and for good.
 *
 *	confine_user(&user)			another user, with the capabilities as they were
 *	confine_capabilities(CONFINE_NONE)	all but these; no_new_privs
 *	confine_calls(CONFINE_AGENT)		system calls, by a list of what is allowed
 *
 * A call that is not on the list says EPERM; nobody is killed for it. It gains an intruder as little, and a library's new version that
 * tries a newer call first, as libc's do, finds its way back to the old one instead of ending an agent that is to run for months.
 * Calls of other architectures (int 0x80, x32) do kill: no code of ours or of a library makes one.
 *
 * Each role is a part of the one before it in the order of forks: the broker's holds what its jobs need, since a filter is inherited.
 *
 *	agent	sockets (unix, inet, netlink), the store's files; no fork, no exec
 *	broker	what jobs do, descriptors to the agent; no exec, no sockets but pairs, no mount, no module, no key
 *	trace	bpf, perf events, reading of other processes; opens nothing for writing, writes into no process
 *	counter	counts runs of BPF programs (agent/broker/counter.h); CAP_SYS_ADMIN, and nothing that it could be used for
 *	collect	calls a function in a process: writes into it and its registers; no bpf
 *
 * User and capabilities are a thread's: while there is one only. Calls: all threads at once. The user's name lookup is getpwnam()'s.
 */
#ifndef HOLDFAST_BROKER_CONFINE_H
#define HOLDFAST_BROKER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum confine_role {
	CONFINE_AGENT,
	CONFINE_BROKER,
	CONFINE_TRACE,
	CONFINE_COLLECT,
	CONFINE_COUNTER,
	CONFINE_ROLE_COUNT
};

struct confine_user {
	uid_t uid;
	gid_t gid;
};

/* Sets of capabilities(7), a bit each. */
#define CONFINE_NONE      ((uint64_t)0)
#define CONFINE_BIT(name) ((uint64_t)1 << (name))

/*
 * The broker's, and its jobs'. @admin: uprobes of this kernel want CAP_SYS_ADMIN (session/doctor.h).
 * CONFINE_COLLECT: what a forced collection needs of them. CONFINE_AGENT: none. CONFINE_COUNTER: CAP_SYS_ADMIN alone.
 */
uint64_t confine_wanted(enum confine_role role, bool admin);

/*
 * Real, effective and saved ids, no further groups; what is permitted stays so. Root only: for all others, and to
 * uid 0, nothing changes. 0; -EPERM, -EINVAL: this user namespace does not have it.
 */
int confine_user(const struct confine_user *user);
/*
 * Effective and permitted become @keep, as far as they were permitted; inheritable and ambient empty, and so the bounding set, where
 * it may be changed (CAP_SETPCAP; without it, it is of no use, as nothing is ever executed). 0 or -errno.
 */
int confine_capabilities(uint64_t keep);
/* 0; -ENOSYS, -EINVAL: this kernel has no filters; -ENOMEM. */
int confine_calls(enum confine_role role);

#endif
