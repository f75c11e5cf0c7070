/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Byte n of the file is turn n, as far as locks go; as far as bytes go, eight for each say until when it rests. */
static bool set_lock(int fd, int type, int turn)
{
	const struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = turn, .l_len = 1};

	return fcntl(fd, F_SETLK, &lock) == 0;
}

/* What others have written there is not to be trusted beyond the bound. */
static bool rests(int fd, int turn)
{
	uint64_t until_ns, now_ns = clock_now_ns();

	return pread(fd, &until_ns, sizeof(until_ns), turn * (off_t)sizeof(until_ns)) ==
		       sizeof(until_ns) &&
	       until_ns > now_ns && until_ns - now_ns <= TURN_REST_MAX_NS;
}

static void let_rest(int fd, int turn, uint64_t rest_ns)
{
	uint64_t until_ns =
		clock_now_ns() + (rest_ns < TURN_REST_MAX_NS ? rest_ns : TURN_REST_MAX_NS);

	if (pwrite(fd, &until_ns, sizeof(until_ns), turn * (off_t)sizeof(until_ns)) < 0)
		log_debug_err(-errno, "a turn does not rest");
}

bool turn_take(int fd, int *held)
{
	for (int turn = 0; fd && turn < TURNS_AT_ONCE; turn++) {
		if (rests(fd, turn) || !set_lock(fd, F_WRLCK, turn))
			continue;
		*held = turn + 1;
		return true;
	}
	return !fd;
}

void turn_give(int fd, int *held, uint64_t rest_ns)
{
	if (fd && *held) {
		if (rest_ns)
			let_rest(fd, *held - 1, rest_ns);
		set_lock(fd, F_UNLCK, *held - 1);
	}
	*held = 0;
}
