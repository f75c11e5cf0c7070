/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/rate.h"

#include <math.h>
#include <string.h>

#define NS_PER_SECOND 1e9

void http_rate_init(struct http_rate *rate, unsigned int per_second, unsigned int burst)
{
	memset(rate, 0, sizeof(*rate));
	rate->per_second = per_second;
	rate->burst = burst ? burst : 1;
}

/* This client's, or that of the one not seen for longest: never used ones were seen at 0. */
static struct http_rate_client *find_client(struct http_rate *rate, uint64_t client)
{
	struct http_rate_client *oldest = &rate->clients[0];

	for (unsigned int i = 0; i < HTTP_RATE_CLIENTS; i++) {
		struct http_rate_client *at = &rate->clients[i];

		if (at->seen_ns && at->client == client)
			return at;
		if (at->seen_ns < oldest->seen_ns)
			oldest = at;
	}
	oldest->client = client;
	oldest->seen_ns = 0;
	return oldest;
}

bool http_rate_take(struct http_rate *rate, uint64_t client, uint64_t now_ns,
		    unsigned int *ret_wait_s)
{
	struct http_rate_client *at;

	if (!rate->per_second)
		return true;
	at = find_client(rate, client);
	if (at->seen_ns)
		at->tokens += (double)(now_ns - at->seen_ns) / NS_PER_SECOND * rate->per_second;
	if (!at->seen_ns || at->tokens > rate->burst)
		at->tokens = rate->burst;
	at->seen_ns = now_ns;
	if (at->tokens >= 1) {
		at->tokens -= 1;
		return true;
	}
	*ret_wait_s = (unsigned int)ceil((1 - at->tokens) / rate->per_second);
	return false;
}
