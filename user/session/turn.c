/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/turn.h"

#include <fcntl.h>
#include <unistd.h>

/* Byte n of the file is turn n. */
static bool set_lock(int fd, int type, int turn)
{
	const struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = turn, .l_len = 1};

	return fcntl(fd, F_SETLK, &lock) == 0;
}

bool turn_take(int fd, int *held)
{
	for (int turn = 0; fd && turn < TURNS_AT_ONCE; turn++) {
		if (!set_lock(fd, F_WRLCK, turn))
			continue;
		*held = turn + 1;
		return true;
	}
	return !fd;
}

void turn_give(int fd, int *held)
{
	if (fd && *held)
		set_lock(fd, F_UNLCK, *held - 1);
	*held = 0;
}
