/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/core's walk on the host: over memory of one's own making, or over that of this process. walk_step() in
 * bpf/unwind.bpf.c does the same with the kernel's maps.
 */
#ifndef HF_TESTS_BPFCORE_HOST_H
#define HF_TESTS_BPFCORE_HOST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define HF_INLINE inline __attribute__((always_inline))

/* What can be read: @size bytes at @base; without @bytes, this process. */
static struct {
	const uint8_t *bytes;
	uint64_t base, size;
} host_memory;

struct hf_unwind;

static inline int hf_unwind_fetch(const struct hf_unwind *u, void *dst, uint32_t size,
				  uint64_t address)
{
	uint64_t offset = address - host_memory.base;

	(void)u;

	if (!host_memory
		     .bytes) { /* by the kernel, as what lies there may be unreadable, or poisoned */
		struct iovec local = {dst, size}, remote = {(void *)(uintptr_t)address, size};

		return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)size;
	}
	if (offset >= host_memory.size || size > host_memory.size - offset)
		return 1;
	memcpy(dst, host_memory.bytes + offset, size);
	return 0;
}

#include "core/unwind.h"

/* The rule at @pc; NULL or one of kind HF_CFA_NONE: there is none. */
typedef const struct hf_unwind_rule *host_find_fn(void *context, uint64_t pc);

/* From u's registers on; the frames go to @pcs (HF_MAX_FRAMES). u->depth and u->end tell the outcome. */
static inline void host_walk(struct hf_unwind *u, host_find_fn *find, void *context, uint64_t *pcs)
{
	int over = 0;

	while (!over) {
		const struct hf_unwind_rule *rule = find(context, hf_unwind_lookup_pc(u));

		if (u->depth >= HF_MAX_FRAMES) {
			hf_unwind_stop(u, HF_STACK_TRUNCATED);
			return;
		}
		pcs[u->depth++] = u->pc;
		hf_unwind_hash(u, u->pc);
		if (rule && rule->cfa_kind != HF_CFA_NONE)
			over = hf_unwind_by_rule(u, rule);
		else
			over = hf_unwind_by_frame_pointer(u, HF_STACK_JIT);
	}
}

#endif
