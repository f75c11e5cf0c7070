/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages between a job and the agent. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/broker/job.h"
#include "base/cleanup.h"

#define READ_BYTES 65536
/* In one call, so that one job's reports don't keep all others waiting. */
#define READS_MAX 16

struct header {
	uint32_t kind, size;
};

const char *job_kind_name(enum job_kind kind)
{
	static const char *const names[] = {
#define X(upper, name) [JOB_##upper] = #name,
		JOB_KINDS(X)
#undef X
	};

	return kind < JOB_KIND_COUNT ? names[kind] : "job";
}

static int send_all(int fd, const void *bytes, size_t size)
{
	const char *p = bytes;

	while (size) {
		ssize_t sent = send(fd, p, size, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		if (sent > 0) {
			p += sent;
			size -= (size_t)sent;
		}
	}
	return 0;
}

int job_send(int fd, enum job_message kind, const void *bytes, size_t size)
{
	struct header header = {.kind = kind, .size = (uint32_t)size};
	int err;

	if (size > JOB_MESSAGE_MAX)
		return -EMSGSIZE;
	err = send_all(fd, &header, sizeof(header));
	return err || !size ? err : send_all(fd, bytes, size);
}

int job_send_error(int fd, const struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	strbuf_add_le(&out, (uint64_t)error->code, 4);
	strbuf_add(&out, error->what.buf, strlen(error->what.buf) + 1);
	strbuf_add(&out, error->why.buf, strlen(error->why.buf) + 1);
	strbuf_add(&out, error->fix.buf, strlen(error->fix.buf) + 1);
	return out.failed ? -ENOMEM : job_send(fd, JOB_ERROR, out.buf, out.len);
}

/* The next text of those that JOB_ERROR carries; "" where it was cut. */
static const char *next_text(const char **rest, const char *end)
{
	const char *text = *rest, *nul = memchr(text, 0, (size_t)(end - text));

	if (!nul)
		return "";
	*rest = nul + 1;
	return text;
}

void job_read_error(const void *bytes, size_t size, struct hf_error *ret)
{
	const char *rest = bytes, *end = rest + size, *what, *why, *fix;
	uint32_t code = HF_E_INTERNAL;

	if (size >= sizeof(code)) {
		memcpy(&code, rest, sizeof(code));
		rest += sizeof(code);
	}
	what = next_text(&rest, end);
	why = next_text(&rest, end);
	fix = next_text(&rest, end);
	if (code == HF_E_NONE || code >= HF_E_COUNT)
		code = HF_E_INTERNAL;
	error_set(ret, (enum hf_error_code)code, "%s", what);
	if (*why)
		error_why(ret, "%s", why);
	if (*fix)
		error_fix(ret, "%s", fix);
}

void job_channel_init(struct job_channel *channel, int fd)
{
	channel->fd = fd;
	strbuf_init(&channel->in);
}

void job_channel_done(struct job_channel *channel)
{
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
	strbuf_done(&channel->in);
}

/* Hands on the messages that are whole. */
static int hand_on(struct job_channel *channel, job_message_fn fn, void *user)
{
	struct strbuf *in = &channel->in;
	size_t at = 0;
	int err = 0;

	while (!err && in->len - at >= sizeof(struct header)) {
		_cleanup_free_ char *body = NULL;
		struct header header;

		memcpy(&header, in->buf + at, sizeof(header));
		if (header.size > JOB_MESSAGE_MAX)
			return -EBADMSG;
		if (in->len - at - sizeof(header) < header.size)
			break;
		body = malloc((size_t)header.size + 1);
		if (!body)
			return -ENOMEM;
		memcpy(body, in->buf + at + sizeof(header), header.size);
		body[header.size] = '\0';
		at += sizeof(header) + header.size;
		err = fn(user, header.kind, body, header.size);
	}
	if (at == in->len) {
		strbuf_done(in); /* a report's memory is not kept */
	} else if (at) {
		memmove(in->buf, in->buf + at, in->len - at);
		strbuf_truncate(in, in->len - at);
	}
	return err;
}

int job_channel_read(struct job_channel *channel, job_message_fn fn, void *user)
{
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t got;
		int err = strbuf_reserve(&channel->in, READ_BYTES);

		if (err)
			return err;
		got = recv(channel->fd, channel->in.buf + channel->in.len, READ_BYTES,
			   MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
		if (!got)
			return -EPIPE;
		channel->in.len += (size_t)got;
		channel->in.buf[channel->in.len] = '\0';
		err = hand_on(channel, fn, user);
		if (err)
			return err;
	}
	return 0;
}
