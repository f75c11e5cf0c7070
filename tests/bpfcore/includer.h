/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bpf/core expects of its includer, declared but not defined: for check-headers.sh, which
 * compiles each of its headers alone with gcc and for BPF. Host tests bring definitions of their own.
 */
#ifndef HF_TESTS_BPFCORE_INCLUDER_H
#define HF_TESTS_BPFCORE_INCLUDER_H

#include <linux/types.h>

#define HF_INLINE inline __attribute__((always_inline))

struct hf_row_block;
struct hf_unwind;

int hf_unwind_fetch(const struct hf_unwind *u, void *dst, __u32 size, __u64 address);
int hf_python_fetch(void *dst, __u32 size, __u64 address);
const struct hf_row_block *hf_row_block(__u32 block);

#endif
