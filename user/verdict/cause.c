// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/cause.h"

#define READINGS_MAX HEAP_READINGS_MAX

static double live_of_sizes(const struct heap_reading *reading, uint64_t sizes)
{
	double sum = 0;

	for (unsigned int i = 0; i < HEAP_SIZE_SLOTS; i++)
		if (sizes >> i & 1)
			sum += (double)reading->live_by_size[i];
	return sum;
}

static bool heap_trend(const struct lost_evidence *evidence, bool idle, uint64_t sizes,
		       struct trend *ret)
{
	uint64_t time_ns[READINGS_MAX];
	double bytes[READINGS_MAX];

	if (!evidence || evidence->reading_count < VERDICT_MIN_LOOKS)
		return false;
	for (size_t i = 0; i < evidence->reading_count; i++) {
		const struct heap_reading *reading = &evidence->readings[i];

		time_ns[i] = reading->time_ns;
		bytes[i] = idle ? (double)reading->free_bytes : live_of_sizes(reading, sizes);
	}
	return !trend_fit(time_ns, bytes, evidence->reading_count, ret);
}

bool cause_heap_trend(const struct lost_evidence *evidence, uint64_t sizes, struct trend *ret)
{
	return heap_trend(evidence, false, sizes, ret);
}

enum pages { PAGES_OF_FILES, PAGES_SHARED, PAGES_MAPPED };

static uint64_t pages_of(const struct sample *s, enum pages pages)
{
	switch (pages) {
	case PAGES_OF_FILES:
		return s->rss_file_bytes;
	case PAGES_SHARED:
		return s->rss_shmem_bytes;
	default:
		return s->vms_bytes;
	}
}

/* Of the readings that know it. */
static bool page_trend(const struct verdict_process *in, enum pages pages, struct trend *ret)
{
	size_t all = in->gauge ? gauge_count(in->gauge) : 0, count = 0;
	uint64_t time_ns[READINGS_MAX];
	double bytes[READINGS_MAX];

	for (size_t i = 0; i < all && count < READINGS_MAX; i++) {
		const struct sample *s = gauge_at(in->gauge, i);

		if (!s->full || s->time_ns < in->start_ns)
			continue;
		time_ns[count] = s->time_ns;
		bytes[count++] = (double)pages_of(s, pages);
	}
	return count >= 3 && !trend_fit(time_ns, bytes, count, ret);
}

/* Of the heap, at the last look. */
static double free_share(const struct lost_evidence *evidence)
{
	const struct heap_reading *last = &evidence->readings[evidence->reading_count - 1];
	double all = (double)last->free_bytes + (double)last->live_bytes;

	return all > 0 ? (double)last->free_bytes / all : 0;
}

static bool explains(const struct trend *trend, double rss_growth)
{
	return trend->slope_per_second > 0 && trend->low >= 0 &&
	       trend->slope_per_second >= rss_growth * VERDICT_MIN_EXPLAINED_PERCENT / 100;
}

bool cause_find(const struct verdict_process *in, double rss_growth, enum verdict_state *ret_state,
		struct evidence *ret_evidence)
{
	struct trend trend;

	if (heap_trend(in->lost, true, 0, &trend) && explains(&trend, rss_growth)) {
		*ret_state = free_share(in->lost) < VERDICT_FRAGMENTED_SHARE ? VERDICT_STEADY
									     : VERDICT_FRAGMENTED;
		*ret_evidence =
			(struct evidence){EVIDENCE_FREE, trend.slope_per_second, rss_growth};
		return true;
	}
	if (page_trend(in, PAGES_OF_FILES, &trend) && explains(&trend, rss_growth)) {
		*ret_state = VERDICT_STEADY;
		*ret_evidence =
			(struct evidence){EVIDENCE_FILES, trend.slope_per_second, rss_growth};
		return true;
	}
	if (page_trend(in, PAGES_SHARED, &trend) && explains(&trend, rss_growth)) {
		*ret_evidence =
			(struct evidence){EVIDENCE_SHARED, trend.slope_per_second, rss_growth};
		*ret_state = page_trend(in, PAGES_MAPPED, &trend) && explains(&trend, rss_growth)
				     ? VERDICT_UNTRACED
				     : VERDICT_STEADY;
		return true;
	}
	return false;
}
