/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the memory controller of a process's cgroup is mounted here: pure text work, behind
 * cgroup_memory_read(). Private to this folder.
 *
 * Both hierarchies may be there at once (hybrid); each is looked at, since only one has the controller.
 * Follows: cgroups(7), proc(5) on mountinfo, Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef HOLDFAST_PROC_CGROUP_H
#define HOLDFAST_PROC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "process/proc/proc_text.h"

struct cgroup_place {
	char *directory; /* of the process's group; heap */
	size_t mount_len; /* the first so many bytes of directory are the mount point: no group is above it */
};

/*
 * @cgroup: text of /proc/PID/cgroup; @mountinfo: text of /proc/self/mountinfo. -ENOENT: no such hierarchy, or the
 * group is outside what is mounted here (another cgroup namespace).
 */
int cgroup_find_place(struct text cgroup, struct text mountinfo, bool unified,
		      struct cgroup_place *ret);

#endif
