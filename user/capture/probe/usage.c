// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/usage.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

int probe_usage_count(struct probe *probe, bool on)
{
	int fd;

	if (!on) {
		if (probe->counting_fd >= 0)
			close(probe->counting_fd);
		probe->counting_fd = -1;
		return 0;
	}
	if (probe->counting_fd >= 0)
		return 0;
	fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (fd == -EPERM && probe->options.count_runs)
		fd = probe->options.count_runs(probe->options.count_user);
	if (fd < 0)
		return log_debug_err(fd, "runs of programs can't be counted");
	probe->counting_fd = fd;
	return 0;
}

static int add_program(int fd, uint64_t *hits, uint64_t *ns, uint64_t *missed)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int err;

	if (fd < 0) /* not loaded: this kernel has a better one */
		return 0;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (err)
		return err;
	*hits += info.run_cnt;
	*ns += info.run_time_ns;
	*missed += info.recursion_misses;
	return 0;
}

int probe_usage(const struct probe *probe, struct probe_usage *ret)
{
	struct probe_usage usage = {0};
	const struct probe_object *s = &probe->object;
	const struct {
		int program;
		uint64_t *hits, *ns;
	} counted[] = {
		{s->programs.alloc_entry, &usage.entry_hits, &usage.program_ns},
		{s->programs.alloc_session, &usage.session_hits, &usage.program_ns},
		{s->programs.alloc_return, &usage.return_hits, &usage.program_ns},
		{s->programs.alloc_ret_insn, &usage.ret_insn_hits, &usage.program_ns},
		{s->programs.mapping_enter, &usage.syscall_hits, &usage.machine_ns},
		{s->programs.mapping_exit, &usage.syscall_hits, &usage.machine_ns},
		{s->programs.page_fault, &usage.fault_hits, &usage.machine_ns},
		{s->programs.mmap_enter, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.mmap_exit, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.munmap_enter, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.munmap_exit, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.mremap_enter, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.mremap_exit, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.brk_enter, &usage.mapping_hits, &usage.machine_ns},
		{s->programs.brk_exit, &usage.mapping_hits, &usage.machine_ns},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(counted) / sizeof(counted[0]); i++)
		err = add_program(counted[i].program, counted[i].hits, counted[i].ns,
				  &usage.missed);
	if (err)
		return err;
	*ret = usage;
	return 0;
}
