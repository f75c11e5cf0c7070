/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/broker/broker_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the descriptors, aligned as a header of control messages wants it. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * BROKER_FDS_MAX)];
};

static void put_fds(struct msghdr *message, union control *control, const int *fds, size_t count)
{
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
}

int broker_wire_send(int fd, const void *bytes, size_t size, const int *fds, size_t fd_count)
{
	struct iovec part = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;
	ssize_t sent;

	if (fd_count > BROKER_FDS_MAX)
		return -EINVAL;
	if (fd_count)
		put_fds(&message, &control, fds, fd_count);
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static size_t take_fds(struct msghdr *message, int *ret_fds)
{
	size_t count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		size_t here;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (here > BROKER_FDS_MAX - count)
			here = BROKER_FDS_MAX - count;
		memcpy(ret_fds + count, CMSG_DATA(header), here * sizeof(int));
		count += here;
	}
	return count;
}

int broker_wire_receive(int fd, void *ret_bytes, size_t size, int *ret_fds, size_t *ret_fd_count)
{
	struct iovec part = {ret_bytes, size};
	union control control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : errno == ECONNRESET ? -EPIPE : -errno;
	if (!got)
		return -EPIPE;
	*ret_fd_count = take_fds(&message, ret_fds);
	if ((size_t)got == size && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	while (*ret_fd_count)
		close(ret_fds[--*ret_fd_count]);
	return -EBADMSG;
}
