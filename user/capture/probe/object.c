// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/object.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "holdfast.skel.h"

void probe_object_init(struct probe_object *object)
{
#define X(name) object->maps.name = -1;
	PROBE_MAPS(X)
#undef X
#define X(name) object->programs.name = -1;
	PROBE_PROGRAMS(X)
#undef X
	object->bss = NULL;
	object->process_max = 0;
}

/* @fd < 0: a program that was not loaded. */
static int take(int fd, int *ret)
{
	if (fd < 0)
		return 0;
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? -errno : 0;
}

static int map_bss(const struct holdfast_bpf *skeleton, struct holdfast_bpf__bss **ret)
{
	void *bss = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(skeleton->maps.bss), 0);

	if (bss == MAP_FAILED)
		return -errno;
	*ret = bss;
	return 0;
}

int probe_object_take(struct probe_object *ret, const struct holdfast_bpf *skeleton)
{
	int err = map_bss(skeleton, &ret->bss);

	ret->process_max = bpf_map__max_entries(skeleton->maps.processes);
#define X(name) err = err ? err : take(bpf_map__fd(skeleton->maps.name), &ret->maps.name);
	PROBE_MAPS(X)
#undef X
#define X(name) err = err ? err : take(bpf_program__fd(skeleton->progs.name), &ret->programs.name);
	PROBE_PROGRAMS(X)
#undef X
	return err;
}

static void close_held(int fd)
{
	if (fd >= 0)
		close(fd);
}

void probe_object_done(struct probe_object *object)
{
	if (object->bss)
		munmap(object->bss, sizeof(*object->bss));
#define X(name) close_held(object->maps.name);
	PROBE_MAPS(X)
#undef X
#define X(name) close_held(object->programs.name);
	PROBE_PROGRAMS(X)
#undef X
	probe_object_init(object);
}
