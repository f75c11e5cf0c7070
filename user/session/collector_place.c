/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/collector_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "process/proc/maps.h"
#include "process/python/collector.h"
#include "process/target/target.h"

static int unsupported(struct hf_error *error, int pid, const char *why)
{
	error_set(error, HF_E_UNSUPPORTED, "process %d: no collector of Python's is found in it",
		  pid);
	return error_why(error, "%s", why);
}

/* Before anything is parsed: most processes have nothing to do with Python. 1, 0, or -errno. */
static int may_be_python(int pid)
{
	struct maps maps = {0};
	bool may = false;
	int err = maps_read(pid, &maps);

	if (err)
		return err;
	for (size_t i = 0; i < maps.count && !may; i++)
		may = strcasestr(maps.items[i].path, "python");
	maps_done(&maps);
	return may;
}

static int find_in(const struct target *target, struct collector_place *ret, struct hf_error *error)
{
	int pid = target->key.pid, err;
	struct python_runtime runtime;
	struct collector_place place = {.address = 0};

	err = python_runtime_find(target, &runtime);
	if (err == -ENOENT)
		return unsupported(error, pid, "it runs no Python");
	if (!err && !runtime.layout)
		return unsupported(error, pid, runtime.trouble);
	if (!err)
		err = python_collector_find(pid, &runtime, &place.address);
	if (err)
		return error_set_errno(error, HF_E_DETACHED, -err,
				       "process %d: its interpreter is not there yet", pid);
	snprintf(place.version, sizeof(place.version), "%u.%u.%u", runtime.version_hex >> 24,
		 runtime.version_hex >> 16 & 0xff, runtime.version_hex >> 8 & 0xff);
	*ret = place;
	return 0;
}

int collector_place_find(struct process_key key, struct collector_place *ret,
			 struct hf_error *error)
{
	_cleanup_(module_set_freep) struct module_set *modules = NULL;
	_cleanup_(target_freep) struct target *target = NULL;
	int err = may_be_python(key.pid);

	if (err < 0)
		return error_set_errno(error, HF_E_DETACHED, -err,
				       "process %d: its maps can't be read", key.pid);
	if (!err)
		return unsupported(error, key.pid, "it runs no Python");
	err = module_set_new(&modules);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	err = target_new(modules, key.pid, clock_now_ns(), &target, error);
	if (!err)
		err = find_in(target, ret, error);
	if (!err && process_key_check(key))
		return error_set(error, HF_E_NOPID, "process %d has ended", key.pid);
	return err;
}
