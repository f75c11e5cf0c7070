// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/oom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <holdfast/oom.h>

#include "base/clock.h"
#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

struct oom_watch {
	int fd;                           /* the attachment: closed, nothing is written any more */
	const struct hf_oom_kills *kills; /* the kernel's own */
};

static void load_nothing_else(const struct holdfast_bpf *skeleton)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_autoload(program, program == skeleton->progs.oom_victim);
	bpf_object__for_each_map(map, skeleton->obj)
		bpf_map__set_autocreate(map, map == skeleton->maps.oom_kills);
}

static const struct hf_oom_kills *map_kills(const struct holdfast_bpf *skeleton)
{
	return mmap(NULL, sizeof(struct hf_oom_kills), PROT_READ, MAP_SHARED,
		    bpf_map__fd(skeleton->maps.oom_kills), 0);
}

/* What stays is a descriptor and a piece of the map; both hold what they need. */
static int attach(struct oom_watch *watch)
{
	struct holdfast_bpf *skeleton = holdfast_bpf__open();
	int err;

	if (!skeleton)
		return -errno;
	load_nothing_else(skeleton);
	/* Not by the skeleton: it would map what was not made. */
	err = bpf_object__load(skeleton->obj);
	if (!err) {
		watch->kills = map_kills(skeleton);
		err = watch->kills == MAP_FAILED ? -errno : 0;
	}
	if (!err) {
		watch->fd = bpf_raw_tracepoint_open("mark_victim",
						    bpf_program__fd(skeleton->progs.oom_victim));
		err = watch->fd < 0 ? -errno : 0;
	}
	holdfast_bpf__destroy(skeleton);
	return err;
}

static int fail(struct hf_error *error, int err)
{
	if (err == -EPERM || err == -EACCES) {
		error_set_errno(error, HF_E_PERM, -err, "kills for memory can't be seen: %s",
				strerror(-err));
		return error_why(error, "that takes CAP_BPF and CAP_PERFMON");
	}
	if (err == -ENOMEM)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	error_set_errno(error, HF_E_NOKERNEL, -err, "kills for memory can't be seen: %s",
			strerror(-err));
	return error_why(error, err == -ENOENT ? "this kernel has no tracepoint oom:mark_victim"
					       : "the kernel refused the program that sees them");
}

int oom_watch_new(struct oom_watch **ret, struct hf_error *error)
{
	_cleanup_(oom_watch_freep) struct oom_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return fail(error, -ENOMEM);
	watch->fd = -1;
	watch->kills = MAP_FAILED;
	probe_log_libbpf();
	err = attach(watch);
	if (err)
		return fail(error, err);
	*ret = no_free_ptr(watch);
	return 0;
}

void oom_watch_free(struct oom_watch *watch)
{
	if (!watch)
		return;
	if (watch->fd >= 0)
		close(watch->fd);
	if (watch->kills != MAP_FAILED)
		munmap((void *)watch->kills, sizeof(*watch->kills));
	free(watch);
}

/* Before 6.9 the kernel tells a pid only. */
static bool is_of(const struct hf_oom_kill *kill, struct process_key key)
{
	uint64_t ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);

	return kill->pid == (uint32_t)key.pid &&
	       (!kill->start_ns ||
		kill->start_ns / (NS_PER_S / ticks_per_second) == key.start_ticks);
}

int oom_watch_find(const struct oom_watch *watch, struct process_key key, struct oom_kill *ret)
{
	uint64_t count = __atomic_load_n(&watch->kills->count, __ATOMIC_ACQUIRE);
	uint64_t first = count > HF_OOM_KILLS ? count - HF_OOM_KILLS : 0;

	while (count-- > first) {
		const struct hf_oom_kill *kill = &watch->kills->kills[count % HF_OOM_KILLS];
		uint64_t time_ns = __atomic_load_n(&kill->time_ns, __ATOMIC_ACQUIRE);

		if (!time_ns || !is_of(kill, key))
			continue;
		*ret = (struct oom_kill){time_ns,
					 kill->rss_pages * (uint64_t)sysconf(_SC_PAGESIZE)};
		return 0;
	}
	return -ENOENT;
}
