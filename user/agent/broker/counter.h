/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has the kernel count the runs of BPF programs for processes that may not ask for it: that takes CAP_SYS_ADMIN. A process that holds it
 * does this and cannot do anything else: its filter knows bpf(BPF_ENABLE_STATS), its socket and its end.
 *
 *	counter_start(&user, &fd)	in the broker, before it gives anything up; -1: nobody here may
 *	counter_enable(fd)		in a job
 *
 * It is left alone by signals as the broker is, whose group it stays in. It ends when all descriptors of its socket are closed, which broker and jobs hold.
 */
#ifndef HOLDFAST_BROKER_COUNTER_H
#define HOLDFAST_BROKER_COUNTER_H

#include "agent/broker/confine.h"

/* 0 or -errno. @ret_fd: the caller's; also for its children. */
int counter_start(const struct confine_user *user, int *ret_fd, pid_t *ret_pid);
/* A descriptor, the caller's: runs are counted until it is closed. -EPERM: there is no counter (@fd is -1); -ETIMEDOUT; -errno. */
int counter_enable(int fd);

#endif
