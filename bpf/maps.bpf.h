/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every map and knob of the kernel side. Defined once, in maps.bpf.c; the user side sets the knobs before
 * loading. */
#ifndef HOLDFAST_MAPS_BPF_H
#define HOLDFAST_MAPS_BPF_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include <holdfast/event.h>
#include <holdfast/oom.h>
#include <holdfast/python.h>
#include <holdfast/space.h>

struct hf_row_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_ROW_CHUNK_BLOCKS);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct hf_row_block));
};

struct hf_space_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct hf_space));
};

/* pid -> what we know of it. A process that is not in here is not traced. */
extern struct hf_processes {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HF_MAX_PROCESSES);
	__type(key, u32);
	__type(value, struct hf_process);
} processes SEC(".maps");

/* slot -> mappings; two slots a process */
extern struct hf_spaces {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2 * HF_MAX_PROCESSES);
	__type(key, u32);
	__array(values, struct hf_space_table);
} spaces SEC(".maps");

/* Chunks of blocks; see bpf/core/rows.h. To put a map into this one or into spaces waits for a grace period, some
 * 15 ms in which new code would have no rows: it is done ahead. */
extern struct hf_row_chunks {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HF_ROW_CHUNKS);
	__type(key, u32);
	__array(values, struct hf_row_chunk);
} row_chunks SEC(".maps");

extern struct hf_rules {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_MAX_RULES);
	__type(key, u32);
	__type(value, struct hf_unwind_rule);
} rules SEC(".maps");

/* (pc ^ salt) << 16 | rule, one atomic word a slot */
extern struct hf_pc_cache {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_PC_CACHE_SLOTS);
	__type(key, u32);
	__type(value, u64);
} pc_cache SEC(".maps");

/* Slots of stacks_sent, less 1. */
extern const volatile __u32 stacks_sent_mask;

/* stack ids whose frames were sent; a slot that another id took is sent again, never lost */
extern struct hf_stacks_sent {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_STACK_SEEN_SLOTS);
	__type(key, u32);
	__type(value, u64);
} stacks_sent SEC(".maps");

/* What probes of USDTs are to read; their cookie is the number of a site. */
extern struct hf_usdt_sites {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_MAX_USDT_SITES);
	__type(key, u32);
	__type(value, struct hf_usdt_site);
} usdt_sites SEC(".maps");

/* pid -> its interpreter's layout, if it runs one. */
extern struct hf_pythons {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HF_MAX_PROCESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct hf_python);
} pythons SEC(".maps");

extern struct hf_birth_types {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HF_MAX_BIRTH_TYPES);
	__type(key, struct hf_birth_type);
	__type(value, u8);
} birth_types SEC(".maps");

/* pid -> its collections of garbage, if they are timed. */
extern struct hf_collection_times {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HF_MAX_PROCESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct hf_collections);
} collection_times SEC(".maps");

extern struct hf_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

extern struct hf_losses {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct hf_loss);
} losses SEC(".maps");

/* Calls that are followed for good, by the index in their probes' cookies; how often each was made. */
extern struct hf_call_sites {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_MAX_CALL_SITES);
	__type(key, u32);
	__type(value, struct hf_call_site);
} call_sites SEC(".maps");

extern struct hf_call_site_hits {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_MAX_CALL_SITES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} call_site_hits SEC(".maps");

/* Words of spans whose keys were told. With no rule these maps are as small as maps can be. */
extern struct hf_span_keys {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u8);
} span_keys SEC(".maps");

extern struct hf_span_key_counts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HF_MAX_SPAN_RULES);
	__type(key, u32);
	__type(value, u32);
} span_key_counts SEC(".maps");

/* Where native ones begin and end; their probes' cookie is the number of a place. */
extern struct hf_span_places {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct hf_span_place);
} span_places SEC(".maps");

/* Mark of a code object of Python -> the spans that its frames are. */
extern struct hf_span_codes {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct hf_span_code);
} span_codes SEC(".maps");

/* As stacks_sent, of sets of spans. */
extern struct hf_spans_sent {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} spans_sent SEC(".maps");

/* One bit for each mark in span_codes: most frames are told by that. */
extern __u64 span_code_filter;

/* Times that spans were too many: one was not seen as it began, or not all were counted. */
extern __u64 span_losses;

/* How many rules for spans there are; with none the code for them is not even loaded. */
extern const volatile __u32 span_rules;
/* Made and written without the rest: see oom.bpf.c. */
extern struct hf_oom_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct hf_oom_kills);
} oom_kills SEC(".maps");

/* Changes whenever the allocators' functions get probes anew: calls of before are over, whether their return was seen or not. */
extern __u32 window;

/* Set when there is any: else nobody looks. */
extern bool pythons_known;

/* How often a function that makes objects was called while it was probed; what of it did not fit in the ring. */
extern u64 birth_hits, birth_losses;

/* Set when all is to be detached, which takes the kernel a while, place by place: calls and mappings that begin
 * after it are not seen, those under way are seen to their end. So the account is that of one moment. */
extern bool gate_closed;

/* Data in the ring at which the reader is woken; below it the reader's own timer serves. */
extern const volatile __u64 wake_bytes;

#endif
