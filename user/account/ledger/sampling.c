// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/ledger/sampling.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z         1.96
#define ERROR_MAX 10.0

void sampling_init(struct sampling *sampling, struct memory_bound *memory)
{
	*sampling = (struct sampling){.memory = memory};
}

void sampling_done(struct sampling *sampling)
{
	free(sampling->windows);
	memory_give(sampling->memory, sampling->capacity * sizeof(*sampling->windows));
	sampling_init(sampling, sampling->memory);
}

int sampling_copy(const struct sampling *from, struct sampling *to)
{
	if (!from->count)
		return 0;
	to->windows = malloc(from->count * sizeof(*to->windows));
	if (!to->windows)
		return -ENOMEM;
	memcpy(to->windows, from->windows, from->count * sizeof(*to->windows));
	to->count = to->capacity = from->count;
	to->error = from->error;
	to->lived_ns = from->lived_ns;
	to->stood_for_ns = from->stood_for_ns;
	to->last_ns = from->last_ns;
	to->memory->used_bytes += from->count * sizeof(*to->windows);
	return 0;
}

static int reserve(struct sampling *sampling)
{
	size_t capacity = sampling->capacity ? 2 * sampling->capacity : 64;
	size_t more = (capacity - sampling->capacity) * sizeof(*sampling->windows);
	struct sampling_window *windows;

	if (sampling->count < sampling->capacity)
		return 0;
	if (!memory_take(sampling->memory, more))
		return -ENOSPC;
	windows = realloc(sampling->windows, capacity * sizeof(*windows));
	if (!windows) {
		memory_give(sampling->memory, more);
		return -ENOMEM;
	}
	sampling->windows = windows;
	sampling->capacity = capacity;
	return 0;
}

/* What is still to be weighed takes the new weight: nothing came since. */
static int extend(struct sampling *sampling, const struct ledger_window *window)
{
	struct sampling_window *last;
	double more;

	if (!sampling->count || !window->stands_for_ns)
		return -EINVAL;
	last = &sampling->windows[sampling->count - 1];
	more = 1 + (double)window->stands_for_ns / (double)sampling->last_ns;
	last->weight *= (float)more;
	last->live_weight *= (float)more;
	sampling->last_ns += window->stands_for_ns;
	sampling->stood_for_ns += (double)window->stands_for_ns;
	return 0;
}

int sampling_end_window(struct sampling *sampling, const struct ledger_window *window)
{
	const struct sampling_window *last =
		sampling->count ? &sampling->windows[sampling->count - 1] : NULL;
	int err;

	if (!window->seen_ns)
		return extend(sampling, window);
	if (!window->lived_ns || !window->stands_for_ns || window->until_ns < window->known_ns ||
	    (last && window->until_ns <= last->until_ns))
		return -EINVAL;
	err = reserve(sampling);
	if (err)
		return err;
	sampling->lived_ns += (double)window->lived_ns;
	sampling->stood_for_ns += (double)window->stands_for_ns;
	sampling->last_ns = window->stands_for_ns;
	sampling->error = window->error > 0 ? fmin(window->error, ERROR_MAX) : 0;
	sampling->windows[sampling->count++] = (struct sampling_window){
		.until_ns = window->until_ns,
		.known_ns = window->known_ns,
		.weight = (float)fmax(1, (double)window->stands_for_ns / (double)window->seen_ns),
		.live_weight =
			(float)fmax(1, (double)window->stands_for_ns / (double)window->lived_ns),
	};
	return 0;
}

static void fold(struct sample_sums *sums, const struct sampling *sampling)
{
	double weight, allocs, bytes;

	if (sums->window >= sampling->count)
		return; /* it is open still */
	weight = sampling->windows[sums->window].weight;
	allocs = weight * (double)sums->allocs;
	bytes = weight * (double)sums->bytes;
	sums->est_allocs += allocs;
	sums->est_bytes += bytes;
	sums->square_allocs += allocs * allocs;
	sums->square_bytes += bytes * bytes;
	sums->poisson_allocs += weight * allocs;
	sums->poisson_bytes += weight * weight * sums->size_squares;
	sums->allocs = sums->bytes = 0;
	sums->size_squares = 0;
}

void sample_add(struct sample_sums *sums, const struct sampling *sampling, uint64_t bytes)
{
	if (sums->window != sampling->count) {
		fold(sums, sampling);
		sums->window = (uint32_t)sampling->count;
	}
	sums->allocs++;
	sums->bytes += bytes;
	sums->size_squares += (double)bytes * (double)bytes;
}

/* Half the 95 % interval. */
static double half(const struct sampling *sampling, double sum, double squares, double poisson)
{
	double n = (double)sampling->count, variance = poisson, common = sampling->error * sum;

	if (n > 1)
		variance = fmax(variance, (squares - sum * sum / n) * n / (n - 1));
	return Z * sqrt(fmax(0, variance) + common * common);
}

void sample_read(const struct sample_sums *sums, const struct sampling *sampling,
		 struct ledger_estimate *ret)
{
	struct sample_sums now = *sums;
	double wide;

	fold(&now, sampling);
	ret->allocs = now.est_allocs + (double)now.allocs;
	ret->alloc_bytes = now.est_bytes + (double)now.bytes;
	wide = half(sampling, now.est_allocs, now.square_allocs, now.poisson_allocs);
	ret->allocs_low = fmax(0, ret->allocs - wide);
	ret->allocs_high = ret->allocs + wide;
	wide = half(sampling, now.est_bytes, now.square_bytes, now.poisson_bytes);
	ret->alloc_bytes_low = fmax(0, ret->alloc_bytes - wide);
	ret->alloc_bytes_high = ret->alloc_bytes + wide;
}

double sampling_live_weight(const struct sampling *sampling, uint64_t born_ns)
{
	size_t low = 0, high = sampling->count;

	/* The first window that ended at or after its birth. */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sampling->windows[middle].until_ns < born_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sampling->count ? (double)sampling->windows[low].live_weight : 1;
}
