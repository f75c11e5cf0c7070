/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the agent: HTTP over TCP or a unix socket. An answer is at most 64 MiB; no proxy is used and no redirection
 * followed, so the token goes to the named address only.
 *
 * Errors: HF_E_NOFILE (no agent answers; says where it was looked for), HF_E_PERM (socket or token), HF_E_BADFILE (what
 * answers is no agent), HF_E_USAGE (the address), and what the agent answers, under the code that it names. Main thread.
 */
#ifndef HOLDFAST_CLI_CTL_LINK_H
#define HOLDFAST_CLI_CTL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"

/* Where the agent is: a URL, and the socket to reach it by (empty: TCP). */
struct ctl_address {
	struct strbuf url;    /* "http://localhost" */
	struct strbuf socket; /* "/run/holdfast/agent.sock" */
};

#define CTL_ADDRESS_INIT                                   \
	{                                                  \
		.url = STRBUF_INIT, .socket = STRBUF_INIT, \
	}

/* unix:/PATH, HOST, HOST:PORT, http://…, https://…: 0, -EINVAL, -ENOMEM. To be done with in any case. */
int ctl_address_parse(const char *text, struct ctl_address *ret);
void ctl_address_done(struct ctl_address *address);

struct ctl_link {
	struct ctl_address address;
	const char *shown;   /* as the user would write it; borrowed */
	const char *origin;  /* who named it */
	struct strbuf token; /* empty: none */
};

#define CTL_LINK_INIT                                                                        \
	{                                                                                    \
		.address = CTL_ADDRESS_INIT, .shown = "", .origin = "", .token = STRBUF_INIT \
	}

/* Address and token from options, environment, configuration; nothing is sent. The config must outlive it. */
int ctl_link_open(const struct config *config, struct ctl_link *link, struct hf_error *error);
void ctl_link_done(struct ctl_link *link);

struct ctl_request {
	const char *method; /* NULL: GET */
	const char *path;   /* with the query */
	const char *body;   /* JSON; NULL: none */
	uint64_t wait_ns;   /* that the agent may take, beside the usual */
};

/* The bytes of the answer. An answer that names no error is handed over whatever its status is. */
int ctl_link_ask(const struct ctl_link *link, const struct ctl_request *request, struct strbuf *ret,
		 struct hf_error *error);

/* 0, or not: then no more is read. */
typedef int (*ctl_bytes_fn)(const char *bytes, size_t size, void *user);

/* An answer without end, as it comes. HF_E_DETACHED where the agent ends it; 0 where @take did. */
int ctl_link_stream(const struct ctl_link *link, const char *path, ctl_bytes_fn take, void *user,
		    struct hf_error *error);

/* What an answer of that status says; 0 if it is no error. */
int ctl_answer_error(const struct strbuf *answer, long status, struct hf_error *error);

/* Text as one segment of a path, or as a value of a query. */
void ctl_add_escaped(struct strbuf *out, const char *text);

#endif
