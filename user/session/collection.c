// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/collection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/pyheap/pyheap.h"
#include "base/clock.h"
#include "process/proc/memory.h"
#include "process/target/module.h"

static int unsupported(struct hf_error *error, int pid, const char *why)
{
	error_set(error, HF_E_UNSUPPORTED,
		  "process %d: its garbage can't be collected from outside", pid);
	error_why(error, "%s", why);
	return error_fix(error, "call gc.collect() in it");
}

static int refuse(struct hf_error *error, int err, int pid)
{
	switch (err) {
	case -ESRCH:
		error_set(error, HF_E_NOPID, "process %d ended", pid);
		return error_fix(error, "list processes with `holdfast ps`");
	case -EAGAIN:
		error_set(error, HF_E_DETACHED, "process %d: no safe point came, nothing was done",
			  pid);
		error_why(error,
			  "none of Python's threads waited in a system call without the GIL");
		return error_fix(error, "wait longer: --wait 1m, or call gc.collect() in it");
	case -EPERM:
		error_set(error, HF_E_PERM, "process %d can't be stopped", pid);
		error_why(error, "it is traced by another program already, or not ours to trace");
		return error_fix(
			error,
			"end the other tracer (TracerPid in /proc/%d/status), or run as root", pid);
	case -EBUSY:
		error_set(error, HF_E_DETACHED, "process %d: nothing was done", pid);
		error_why(error, "it is stopped, or a thread has no room left on its stack");
		return error_fix(error, "try again; a stopped process goes on with `kill -CONT %d`",
				 pid);
	case -ENOTSUP:
		return unsupported(error, pid,
				   "it has a shadow stack, or is no process of 64 bits");
	default:
		error_set_errno(error, HF_E_DETACHED, ECANCELED,
				"process %d: the collection was given up", pid);
		error_why(error, "%s", strerror(-err));
		return error_fix(error, "try again");
	}
}

/* What there is now; objects only if that can be seen. */
static void take_stock(const struct collection_options *options, int pid,
		       const struct python_runtime *runtime, struct collection_state *ret)
{
	const struct pyheap_options look = {
		.pid = pid,
		.runtime = runtime,
		.max_stop_ns = options->max_stop_ns,
		.memory_bytes = options->memory_bytes,
	};
	_cleanup_(pyheap_snapshot_freep) struct pyheap_snapshot *snapshot = NULL;
	struct process_memory memory;
	struct heap_worker *worker;

	*ret = (struct collection_state){0};
	if (!process_memory_read(pid, false, &memory))
		ret->rss_bytes = memory.rss_bytes;
	if (!runtime || pyheap_start(&look, &worker) || pyheap_finish(worker, &snapshot))
		return;
	ret->objects = snapshot->objects;
	ret->bytes = snapshot->bytes;
}

static int find_python(const struct target *target, const struct collection_options *options,
		       struct python_runtime *runtime, bool *ret_found, struct hf_error *error)
{
	int pid = target->key.pid, err = python_runtime_find(target, runtime);

	*ret_found = !err;
	if (err == -ENOENT)
		return options->trim ? 0 : unsupported(error, pid, "it runs no Python");
	if (err)
		return refuse(error, err, pid);
	return runtime->layout ? 0 : unsupported(error, pid, runtime->trouble);
}

static int run(const struct collection_options *options, const struct target *target,
	       struct collection *ret, struct hf_error *error)
{
	struct python_runtime runtime = {0};
	struct force_request request = {
		.pid = target->key.pid, .trim = options->trim, .wait_ns = options->wait_ns};
	struct heap_worker *worker;
	const char *missing;
	bool python;
	int err = find_python(target, options, &runtime, &python, error);

	if (err)
		return err;
	request.runtime = python ? &runtime : NULL;
	missing = force_find(target, &request);
	if (missing)
		return unsupported(error, request.pid, missing);
	if (python)
		snprintf(ret->version, sizeof(ret->version), "%u.%u.%u", runtime.version_hex >> 24,
			 runtime.version_hex >> 16 & 0xff, runtime.version_hex >> 8 & 0xff);
	take_stock(options, request.pid, request.runtime, &ret->before);
	err = force_start(&request, &worker);
	if (!err)
		err = force_finish(worker, &ret->result);
	if (err)
		return refuse(error, err, request.pid);
	take_stock(options, request.pid, request.runtime, &ret->after);
	ret->objects_known = ret->before.objects && ret->after.objects;
	return 0;
}

int collection_run(const struct collection_options *options, int pid, struct collection *ret,
		   struct hf_error *error)
{
	_cleanup_(module_set_freep) struct module_set *modules = NULL;
	_cleanup_(target_freep) struct target *target = NULL;
	int err = module_set_new(&modules);

	*ret = (struct collection){.pid = pid};
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	err = target_new(modules, pid, clock_now_ns(), &target, error);
	if (err)
		return err;
	snprintf(ret->comm, sizeof(ret->comm), "%s", target->comm);
	return run(options, target, ret, error);
}
