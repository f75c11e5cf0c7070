// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/record_sample.h"

/* Fields that are called the same on both sides. */
/* Such a list never comes to rest in: */
/* clang-format off */
#define SAME_FIELDS(X) \
	X(time_ns) \
	X(rss_bytes) \
	X(vms_bytes) \
	X(pss_bytes) \
	X(uss_bytes) \
	X(swap_bytes) \
	X(rss_anon_bytes) \
	X(rss_file_bytes) \
	X(rss_shmem_bytes) \
	X(minor_faults) \
	X(major_faults) \
	X(heap_live_bytes) \
	X(limit_usage_bytes) \
	X(limit_bytes)
/* clang-format on */

struct hf_record_sample record_sample_from(const struct sample *sample)
{
	return (struct hf_record_sample){
#define X(field) .field = sample->field,
		SAME_FIELDS(X)
#undef X
			.flags = (sample->full ? HF_RECORD_SAMPLE_FULL : 0) |
				 (sample->limit_is_system ? HF_RECORD_SAMPLE_SYSTEM : 0) |
				 (sample->heap_live_estimated ? HF_RECORD_SAMPLE_ESTIMATED : 0),
	};
}

struct sample record_sample_to(const struct hf_record_sample *recorded)
{
	return (struct sample){
#define X(field) .field = recorded->field,
		SAME_FIELDS(X)
#undef X
			.full = recorded->flags & HF_RECORD_SAMPLE_FULL,
		.limit_is_system = recorded->flags & HF_RECORD_SAMPLE_SYSTEM,
		.heap_live_estimated = recorded->flags & HF_RECORD_SAMPLE_ESTIMATED,
	};
}
