// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes on the functions of a process's allocators, to stay. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/probe_internal.h"

static int attach_module(struct probe *probe, struct probe_plan *plan,
			 struct probed_process *process)
{
	_cleanup_close_ int fd = module_open(plan->module);
	int err = fd < 0 ? fd : 0;

	/* Releases first: a block that is handed out before its release can be seen is still right, the
	 * reverse is an unmatched free. */
	for (int kind = LINK_ENTRY; !err && kind <= LINK_RET_INSN; kind++) {
		plan->lists[kind].path_fd = fd;
		plan->lists[kind].pid = process->pid;
		err = links_attach(probe, kind, &plan->lists[kind],
				   kind == LINK_ENTRY ? &process->entry_links
						      : &process->call_links);
	}
	return err;
}

static int attach_all(struct probe *probe, const struct allocator_set *set,
		      struct probed_process *process, struct probe_attached *attached)
{
	int err = 0;

	for (size_t i = set->first_new; !err && i < set->function_count; i++) {
		_cleanup_(probe_plan_done) struct probe_plan plan = {0};

		if (probe_plan_has(set, set->first_new, i))
			continue;
		err = probe_plan_make(&plan, set, i, attached);
		if (!err)
			err = attach_module(probe, &plan, process);
	}
	return err ? err : usdts_attach(probe, set, process, attached);
}

static int refuse_attach(int err, int pid, struct hf_error *error)
{
	if (err == -ESRCH) {
		error_set(error, HF_E_NOPID, "process %d ended while it was attached to", pid);
		return error_fix(error, "list processes with `holdfast ps`");
	}
	if (err == -EPERM || err == -EACCES) {
		error_set(error, HF_E_PERM, "process %d may not be probed", pid);
		error_why(error,
			  "uprobes need CAP_BPF and CAP_PERFMON, before kernel 6.6 CAP_SYS_ADMIN");
		return error_fix(error, "run as root: sudo holdfast ...");
	}
	return error_set_errno(error, HF_E_NOKERNEL, -err, "process %d can't be probed: %s", pid,
			       strerror(-err));
}

/* All but the first @kept. */
static void close_newer(struct fd_vec *links, size_t kept)
{
	struct fd_vec newer = VEC_INIT;

	if (links->count <= kept || vec_append(&newer, links->items + kept, links->count - kept))
		return;
	links->count = kept;
	links_close(&newer);
	vec_done(&newer);
}

int probe_attach(struct probe *probe, const struct target *target, const struct allocator_set *set,
		 struct probe_attached *ret, struct hf_error *error)
{
	struct probed_process *process = probe_find_process(probe, target->key.pid);
	struct probe_attached attached = {0};
	size_t calls, entries;
	uint64_t began_ns;
	int err;

	if (!process)
		return error_set_errno(error, HF_E_INTERNAL, ESRCH, "process %d was not added",
				       target->key.pid);
	if (target->seccomp_mode && probe_selftest_seccomp(probe) == -ENOTSUP) {
		error_set(error, HF_E_UNSUPPORTED,
			  "process %d has a seccomp filter and would be killed", target->key.pid);
		error_why(error, "this kernel lets the filter see the return probe's system call");
		return error_fix(
			error,
			"use a kernel from 6.13.4 or with that fix; `holdfast scan` needs no probe");
	}
	began_ns = clock_now_ns();
	calls = process->call_links.count;
	entries = process->entry_links.count;
	err = attach_all(probe, set, process, &attached);
	if (!err && process->entry_links.count == entries && process->call_links.count == calls)
		err = -EINVAL;
	if (err) {
		close_newer(&process->call_links, calls);
		close_newer(&process->entry_links, entries);
		return refuse_attach(err, target->key.pid, error);
	}
	attached.attach_ns = clock_now_ns() - began_ns;
	*ret = attached;
	return 0;
}
