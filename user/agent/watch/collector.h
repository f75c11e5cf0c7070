/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often a process of Python has collected garbage, read from its own counts by one system call (2 us): nothing is probed or stopped.
 * What is there is the target's own, and may be anything: it becomes a number and nothing else.
 */
#ifndef HOLDFAST_WATCH_COLLECTOR_H
#define HOLDFAST_WATCH_COLLECTOR_H

#include <stdint.h>

/*
 * @fd: of /proc/PID/mem, opened by who may; @address: where they are (session/collector_place.h). Of all generations, since the
 * process began. 0; -ESRCH: that memory is gone, with its program or its process; -EFAULT: there is none at that place, or what is there is no collector's state.
 */
int collector_read_count(int fd, uint64_t address, uint64_t *ret_collections);

#endif
