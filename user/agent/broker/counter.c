/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/broker/counter.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/broker/broker_internal.h"
#include "base/cleanup.h"

#define WAIT_US 200000 /* of a job, in the middle of its work */

static int enable(void)
{
	const union bpf_attr attributes = {.enable_stats.type = BPF_STATS_RUN_TIME};
	long fd = syscall(SYS_bpf, BPF_ENABLE_STATS, &attributes, sizeof(attributes));

	return fd < 0 ? -errno : (int)fd;
}

static void answer(int to)
{
	int counting = enable(), err = counting < 0 ? counting : 0;

	broker_wire_send(to, &err, sizeof(err), &counting, counting >= 0);
	if (counting >= 0)
		close(counting);
}

/* Each question brings the socket that its answer goes to. */
static void serve(int fd)
{
	int fds[BROKER_FDS_MAX];
	size_t count;
	char byte;

	for (;;) {
		int err = broker_wire_receive(fd, &byte, sizeof(byte), fds, &count);

		if (err == -EBADMSG)
			continue;
		if (err)
			return;
		if (count == 1)
			answer(fds[0]);
		while (count)
			close(fds[--count]);
	}
}

static _Noreturn void be_the_counter(const struct confine_user *user, int fd)
{
	prctl(PR_SET_NAME, "holdfast-count");
	(void)confine_user(user); /* else as it is: capabilities and calls go all the same */
	if (!confine_capabilities(confine_wanted(CONFINE_COUNTER, false)) &&
	    !confine_calls(CONFINE_COUNTER))
		serve(fd);
	_exit(0);
}

int counter_start(const struct confine_user *user, int *ret_fd, pid_t *ret_pid)
{
	int ends[2], tried = enable();
	pid_t pid;

	if (tried < 0)
		return tried;
	close(tried);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		be_the_counter(user, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		int err = -errno;

		close(ends[0]);
		return err;
	}
	*ret_fd = ends[0];
	*ret_pid = pid;
	return 0;
}

static int ask(int fd, int own, int other)
{
	const struct timeval limit = {.tv_usec = WAIT_US};
	int answer, fds[BROKER_FDS_MAX], err = 0;
	const char byte = 0;
	size_t count = 0;

	if (setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		err = -errno;
	if (!err)
		err = broker_wire_send(fd, &byte, sizeof(byte), &other, 1);
	if (!err)
		err = broker_wire_receive(own, &answer, sizeof(answer), fds, &count);
	if (err)
		return err;
	if (count == 1)
		return fds[0];
	while (count)
		close(fds[--count]);
	return answer ? answer : -EBADMSG;
}

int counter_enable(int fd)
{
	int ends[2], result;

	if (fd < 0)
		return -EPERM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	result = ask(fd, ends[0], ends[1]);
	close(ends[0]);
	close(ends[1]);
	return result;
}
