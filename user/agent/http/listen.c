/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

#define SOCKET_UMASK  0117 /* leaves 0660 */
#define LOCK_TRIES    100
#define LOCK_PAUSE_US 10000

static int refuse(const char *text, struct hf_error *err)
{
	error_set(err, HF_E_CONFIG, "cannot listen on \"%s\": that is no address", text);
	return error_fix(err, "write 127.0.0.1:7654, [::1]:7654 or unix:/run/holdfast/agent.sock");
}

static int parse_unix(const char *text, const char *path, struct http_listen *ret_listen,
		      struct hf_error *err)
{
	struct http_listen listen = {.is_local = true, .is_loopback = true};
	struct sockaddr_un *address = (struct sockaddr_un *)&listen.address;
	size_t size = strlen(path);

	if (path[0] != '/')
		return refuse(text, err);
	if (size >= sizeof(address->sun_path)) {
		error_set(err, HF_E_CONFIG, "cannot listen on \"%s\": the path is too long", text);
		return error_why(err, "a unix socket's path has at most %zu bytes",
				 sizeof(address->sun_path) - 1);
	}
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, size + 1);
	listen.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
	*ret_listen = listen;
	return 0;
}

static bool fill_v4(struct http_listen *listen, const char *host, uint16_t port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&listen->address;

	if (inet_pton(AF_INET, !strcmp(host, "localhost") ? "127.0.0.1" : host,
		      &address->sin_addr) != 1)
		return false;
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	listen->size = sizeof(*address);
	listen->is_loopback = ntohl(address->sin_addr.s_addr) >> 24 == 127;
	return true;
}

static bool fill_v6(struct http_listen *listen, const char *host, uint16_t port)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&listen->address;

	if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1)
		return false;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons(port);
	listen->size = sizeof(*address);
	listen->is_loopback = IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
	return true;
}

int http_listen_parse(const char *text, struct http_listen *ret_listen, struct hf_error *err)
{
	struct http_listen listen = {.is_local = false};
	bool bracketed = text[0] == '[', good;
	char host[INET6_ADDRSTRLEN];
	const char *colon;
	uint64_t port;
	size_t size;

	if (!strncmp(text, "unix:", 5))
		return parse_unix(text, text + 5, ret_listen, err);
	colon = strrchr(text, ':');
	size = colon ? (size_t)(colon - text) : 0;
	if (!size || (bracketed && (size < 3 || text[size - 1] != ']')) ||
	    units_parse_u64(colon + 1, &port) || port > UINT16_MAX)
		return refuse(text, err);
	size -= bracketed ? 2 : 0;
	if (size >= sizeof(host))
		return refuse(text, err);
	memcpy(host, text + bracketed, size);
	host[size] = '\0';
	good = bracketed ? fill_v6(&listen, host, (uint16_t)port)
			 : fill_v4(&listen, host, (uint16_t)port);
	if (!good)
		return refuse(text, err);
	*ret_listen = listen;
	return 0;
}

int http_listen_text(const struct http_listen *listen, struct strbuf *sb)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&listen->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&listen->address;
	char host[INET6_ADDRSTRLEN];

	if (listen->is_local)
		return strbuf_addf(sb, "unix:%s",
				   ((const struct sockaddr_un *)&listen->address)->sun_path);
	if (listen->address.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		return strbuf_addf(sb, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
	inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	return strbuf_addf(sb, "%s:%u", host, ntohs(v4->sin_port));
}

/* One error for all that can go wrong with the address. */
static int cannot_listen(const struct http_listen *listen, int errnum, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	int result;

	http_listen_text(listen, &text);
	result = error_set_errno(err, HF_E_CANTWRITE, errnum, "cannot listen on %s", text.buf);
	error_why(err, "%s", strerror(errnum));
	if (errnum == EADDRINUSE) {
		error_why(err, "another program listens there, perhaps another agent");
		error_fix(err, "stop it, or give this one another address with `listen`");
	} else if (errnum == EACCES) {
		error_fix(err,
			  "choose a port above 1023, or a directory that this user may write to");
	}
	return result;
}

/* Whether somebody answers there. */
static bool is_live(const struct http_listen *listen)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true; /* cannot tell */
	/* EAGAIN: its queue is full, so it has one */
	return !connect(fd, (const struct sockaddr *)&listen->address, listen->size) ||
	       errno != ECONNREFUSED;
}

/* 0: nothing is in the way any more; or a positive errno. */
static int clear_way(const struct http_listen *listen)
{
	const char *path = ((const struct sockaddr_un *)&listen->address)->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	if (is_live(listen))
		return EADDRINUSE;
	return unlink(path) < 0 ? errno : 0;
}

/*
 * Two agents that start at once must not each take the other's new socket for a stale one: whoever holds the
 * directory's lock may look and bind. It is tried for a second only, as anybody may hold the lock of, say, /tmp.
 */
static int lock_directory(const struct http_listen *listen, int *ret_fd)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	_cleanup_close_ int fd = -1;
	char *slash;

	memcpy(path, ((const struct sockaddr_un *)&listen->address)->sun_path, sizeof(path));
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES - 1)
			return errno;
		usleep(LOCK_PAUSE_US);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

static int bind_and_listen(int fd, const struct http_listen *listen_to)
{
	if (bind(fd, (const struct sockaddr *)&listen_to->address, listen_to->size) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return errno;
	return 0;
}

/* Positive errno. */
static int open_unix(int fd, struct http_listen *listen_to)
{
	const char *path = ((const struct sockaddr_un *)&listen_to->address)->sun_path;
	_cleanup_close_ int lock = -1;
	int errnum = lock_directory(listen_to, &lock);
	struct stat st;
	mode_t before;

	if (!errnum)
		errnum = clear_way(listen_to);
	if (errnum)
		return errnum;
	before = umask(SOCKET_UMASK);
	errnum = bind_and_listen(fd, listen_to);
	umask(before);
	if (errnum)
		return errnum;
	if (lstat(path, &st) < 0)
		return errno;
	listen_to->device = st.st_dev;
	listen_to->inode = st.st_ino;
	return 0;
}

int http_listen_open(struct http_listen *listen, int *ret_fd, struct hf_error *err)
{
	int family = listen->address.ss_family, one = 1, zero = 0, errnum;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return cannot_listen(listen, errno, err);
	/* else a restart would wait for old connections to be forgotten */
	if (!listen->is_local)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	errnum = listen->is_local ? open_unix(fd, listen) : bind_and_listen(fd, listen);
	if (!errnum && !listen->is_local &&
	    getsockname(fd, (struct sockaddr *)&listen->address, &listen->size) < 0)
		errnum = errno;
	if (errnum)
		return cannot_listen(listen, errnum, err);
	*ret_fd = take_fd(&fd);
	return 0;
}

void http_listen_remove(const struct http_listen *listen)
{
	const char *path = ((const struct sockaddr_un *)&listen->address)->sun_path;
	struct stat st;

	if (listen->is_local && !lstat(path, &st) && st.st_dev == listen->device &&
	    st.st_ino == listen->inode)
		unlink(path);
}
