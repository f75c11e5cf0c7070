/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random.h - a cheap sequence that a seed fixes: samples, tests, benches. Not for secrets, nor against a hostile hash
 * key (hash_seed_random is).
 *
 * xorshift64 (Marsaglia, "Xorshift RNGs", 2003). The state starts at any value but 0. Its low bits are the weaker ones.
 */
#ifndef HF_BASE_RANDOM_H
#define HF_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
