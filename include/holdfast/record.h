/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * The recording (.hfrec) as it lies on disk: a file header, then blocks, each compressed by itself (zstd) so that
 * a file that was cut off is good up to its last whole block. Little endian; sizes in bytes.
 *
 *	struct hf_record_header
 *	struct hf_record_block, then stored_bytes of data		for each block
 *
 * META comes first and again at the end, with what became known meanwhile: the later one holds. An END block
 * closes a recording that was finished. A reader skips kinds that it does not know.
 */
#ifndef HOLDFAST_RECORD_H
#define HOLDFAST_RECORD_H

#include <holdfast/types.h>

#define HF_RECORD_MAGIC       "HFREC\r\n\x1a" /* 8 bytes; shows a transfer that changed line ends */
#define HF_RECORD_MAGIC_BYTES 8
#define HF_RECORD_VERSION     1
#define HF_RECORD_BLOCK_MAX   (8u << 20) /* of a block, before compression */

struct hf_record_header {
	__u8 magic[HF_RECORD_MAGIC_BYTES];
	__u32 version;
	__u32 reserved;
};

enum hf_record_kind {
	HF_RECORD_END = 0,     /* empty */
	HF_RECORD_EVENTS = 1,  /* struct hf_event and its body, one after the other */
	HF_RECORD_META = 2,    /* JSON: target, processes, how it was captured */
	HF_RECORD_SAMPLES = 3, /* struct hf_record_samples, then its samples */
	HF_RECORD_NAMES = 4,   /* frames of stacks, see session/name_table.h */
	HF_RECORD_MAPS = 5,    /* struct hf_record_maps, then the text of /proc/PID/maps */
	HF_RECORD_CODE = 6,    /* a process's code so far, see session/code_block.h */
	HF_RECORD_LOOK = 7,    /* struct hf_record_look, then what session/look_block.h says */
};

struct hf_record_block {
	__u32 kind;
	__u32 stored_bytes;
	__u32 raw_bytes;
	__u32 reserved;
	__u64 checksum; /* XXH64 of the stored bytes, seed: kind << 32 | raw_bytes */
};

#define HF_RECORD_WINDOW_ENDS 1u /* accounts were sampled at this time */

struct hf_record_samples {
	__u64 time_ns;
	__u32 count;
	__u32 flags; /* HF_RECORD_WINDOW_ENDS */
};

#define HF_RECORD_SAMPLE_FULL      1u /* PSS, USS, swap and the parts of RSS were read */
#define HF_RECORD_SAMPLE_SYSTEM    2u /* the limit is the machine's memory, no cgroup's */
#define HF_RECORD_SAMPLE_ESTIMATED 4u /* heap_live_bytes is */

/* One reading of a process's memory. */
struct hf_record_sample {
	__u32 process; /* index into META's processes, or that of the next new one */
	__u32 pid;
	__u32 flags;
	__u32 reserved;
	__u64 time_ns;
	__u64 rss_bytes, vms_bytes, pss_bytes, uss_bytes, swap_bytes;
	__u64 rss_anon_bytes, rss_file_bytes, rss_shmem_bytes;
	__u64 minor_faults, major_faults;
	__u64 heap_live_bytes, limit_usage_bytes, limit_bytes;
};

struct hf_record_maps {
	__u32 pid;
	__u32 reserved;
};

#define HF_RECORD_LOOK_ANEW     1u  /* what was told of this process before holds no more */
#define HF_RECORD_LOOK_MORE     2u  /* the next block goes on with this look */
#define HF_RECORD_LOOK_TAKEN    4u  /* its losses count; else it only counts types */
#define HF_RECORD_LOOK_CENSUS   8u  /* types of all blocks follow */
#define HF_RECORD_LOOK_STOPPED  16u /* the process stood still */
#define HF_RECORD_LOOK_COMPLETE 32u /* all of its memory was read */

/*
 * A look at a process's heap, where it was joined with the events before it. Only what has changed since the look before
 * is written: a look takes 90 bytes, a block that stays lost none, one that is newly lost 6 to 8 before compression and
 * at most 3 after, one that is freed or referred to again 3 and 1.
 */
struct hf_record_look {
	__u32 process; /* index into META's processes, or that of the next new one */
	__u32 pid;
	__u32 flags;
	__u32 live_set; /* enum heap_live_set: numbers are never given anew */
	__u64 time_ns, before_ns, known_until_ns;
	__u64 stop_ns;
	__u64 live_count, live_bytes, free_count, free_bytes;
	__u64 lost_count, lost_bytes, returned;
	/* Since the beginning. */
	__u64 looks, failed, incomplete, stop_max_ns;
};

HF_STATIC_ASSERT(sizeof(struct hf_record_header) == 16, "disk layout");
HF_STATIC_ASSERT(sizeof(struct hf_record_block) == 24, "disk layout");
HF_STATIC_ASSERT(sizeof(struct hf_record_samples) == 16, "disk layout");
HF_STATIC_ASSERT(sizeof(struct hf_record_sample) == 128, "disk layout");
HF_STATIC_ASSERT(sizeof(struct hf_record_look) == 136, "disk layout");

#endif
