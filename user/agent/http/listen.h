/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listen.h - where to listen, as it is written, and the socket that does. */
#ifndef HF_AGENT_HTTP_LISTEN_H
#define HF_AGENT_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/err.h"

struct http_listen {
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t size;
	bool is_local;    /* AF_UNIX */
	bool is_loopback; /* nobody from outside gets there */
	dev_t device;     /* of our socket's file, so that nobody else's is removed */
	ino_t inode;
};

/* "127.0.0.1:7654", "localhost:7654", "[::1]:7654", "unix:/absolute/path". HF_E_CONFIG. */
int http_listen_parse(const char *text, struct http_listen *ret_listen, struct hf_error *err);
/*
 * Opens it, non-blocking; the caller's. Completes `listen` with the port. A unix socket gets mode 0660 and replaces
 * one that nobody listens on. HF_E_CANTWRITE.
 */
int http_listen_open(struct http_listen *listen, int *ret_fd, struct hf_error *err);
/* Removes our unix socket's file, if it still is ours. */
void http_listen_remove(const struct http_listen *listen);
/* As it would be written. 0 or -ENOMEM. */
int http_listen_text(const struct http_listen *listen, struct strbuf *sb);

#endif
