/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users and capabilities; the lists of calls are in confine_calls.c. */
#include "agent/broker/confine.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"

static void free_caps(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

uint64_t confine_wanted(enum confine_role role, bool admin)
{
	/* Other users' processes, their files within containers, and deleted ones by map_files. */
	const uint64_t reading = CONFINE_BIT(CAP_SYS_PTRACE) | CONFINE_BIT(CAP_DAC_READ_SEARCH) |
				 CONFINE_BIT(CAP_CHECKPOINT_RESTORE);
	/* Nice: a worker that takes breakpoints out goes before busy threads (capture/probe/shield.h). */
	const uint64_t tracing = CONFINE_BIT(CAP_BPF) | CONFINE_BIT(CAP_PERFMON) |
				 CONFINE_BIT(CAP_SYS_NICE);

	if (role == CONFINE_AGENT)
		return CONFINE_NONE;
	if (role == CONFINE_COUNTER)
		return CONFINE_BIT(CAP_SYS_ADMIN);
	if (role == CONFINE_COLLECT)
		return reading;
	return reading | tracing | (admin ? CONFINE_BIT(CAP_SYS_ADMIN) : 0);
}

static uint64_t read_permitted(cap_t caps)
{
	uint64_t set = 0;

	for (int i = 0; i < cap_max_bits() && i < 64; i++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (!cap_get_flag(caps, i, CAP_PERMITTED, &value) && value == CAP_SET)
			set |= CONFINE_BIT(i);
	}
	return set;
}

static int write_sets(uint64_t set)
{
	_cleanup_(free_caps) cap_t caps = cap_init();

	if (!caps)
		return -ENOMEM;
	for (cap_value_t i = 0; i < cap_max_bits() && i < 64; i++) {
		if (!(set & CONFINE_BIT(i)))
			continue;
		if (cap_set_flag(caps, CAP_PERMITTED, 1, &i, CAP_SET) ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &i, CAP_SET))
			return -errno;
	}
	return cap_set_proc(caps) ? -errno : 0;
}

int confine_user(const struct confine_user *user)
{
	_cleanup_(free_caps) cap_t caps = NULL;
	int err = 0;

	if (geteuid() || !user->uid)
		return 0;
	caps = cap_get_proc();
	if (!caps || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		err = -errno;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	/* The kernel has made the effective ones empty. */
	return err ? err : write_sets(read_permitted(caps));
}

static bool is_effective(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return !cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) && value == CAP_SET;
}

/* Of those that are kept, too: they would come by an exec, and there is none. */
static int drop_bounds(void)
{
	for (cap_value_t i = 0; i < cap_max_bits() && i < 64; i++)
		if (cap_get_bound(i) == 1 && cap_drop_bound(i))
			return -errno;
	return 0;
}

int confine_capabilities(uint64_t keep)
{
	_cleanup_(free_caps) cap_t caps = cap_get_proc();
	int err = 0;

	if (!caps)
		return -errno;
	if (is_effective(caps, CAP_SETPCAP))
		err = drop_bounds();
	if (!err && cap_reset_ambient())
		err = -errno;
	if (!err)
		err = write_sets(read_permitted(caps) & keep);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}
