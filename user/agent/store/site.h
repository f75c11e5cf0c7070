/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An allocation site in a snapshot. */
#ifndef HOLDFAST_AGENT_STORE_SITE_H
#define HOLDFAST_AGENT_STORE_SITE_H

#include <stdint.h>

#define STORE_MAX_SITES 1000000

struct store_site {
	uint64_t stack; /* hash */
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t allocs, alloc_bytes;
	uint32_t component; /* index, the caller's */
	uint8_t state;      /* the caller's */
};

#endif
