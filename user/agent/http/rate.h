/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rate.h - so many requests per second and client, with a burst: a bucket of tokens for each of the clients that came
 * last.
 *
 * HTTP_RATE_CLIENTS are remembered; the one not seen for longest is forgotten for a new one, and so begins with a full
 * bucket if it comes back. Fixed memory. Time comes with the call.
 */
#ifndef HF_AGENT_HTTP_RATE_H
#define HF_AGENT_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_RATE_CLIENTS 64

struct http_rate {
	unsigned int per_second; /* 0: everything is allowed */
	unsigned int burst;
	struct http_rate_client {
		uint64_t client; /* hash of its address */
		uint64_t seen_ns;
		double tokens;
	} clients[HTTP_RATE_CLIENTS];
};

void http_rate_init(struct http_rate *rate, unsigned int per_second, unsigned int burst);
/* True, and one token less; or false, and in how many seconds (at least 1) there will be one. */
bool http_rate_take(struct http_rate *rate, uint64_t client, uint64_t now_ns,
		    unsigned int *ret_wait_s);

#endif
