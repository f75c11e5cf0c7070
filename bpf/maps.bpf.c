// SPDX-License-Identifier: GPL-2.0-or-later
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct hf_processes processes SEC(".maps");
struct hf_spaces spaces SEC(".maps");
struct hf_row_chunks row_chunks SEC(".maps");
struct hf_rules rules SEC(".maps");
struct hf_pc_cache pc_cache SEC(".maps");
struct hf_stacks_sent stacks_sent SEC(".maps");
struct hf_usdt_sites usdt_sites SEC(".maps");
struct hf_pythons pythons SEC(".maps");
struct hf_birth_types birth_types SEC(".maps");
struct hf_collection_times collection_times SEC(".maps");
struct hf_ring ring SEC(".maps");
struct hf_losses losses SEC(".maps");
struct hf_call_sites call_sites SEC(".maps");
struct hf_call_site_hits call_site_hits SEC(".maps");
struct hf_span_keys span_keys SEC(".maps");
struct hf_span_key_counts span_key_counts SEC(".maps");
struct hf_span_places span_places SEC(".maps");
struct hf_span_codes span_codes SEC(".maps");
struct hf_spans_sent spans_sent SEC(".maps");
struct hf_oom_map oom_kills SEC(".maps");

__u32 window;
bool gate_closed;
bool pythons_known;
__u64 birth_hits, birth_losses;
__u64 span_code_filter, span_losses;
const volatile __u32 span_rules = 0;
const volatile __u64 wake_bytes = 1 << 20;
const volatile __u32 stacks_sent_mask = HF_STACK_SEEN_SLOTS - 1;
