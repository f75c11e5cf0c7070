/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's walk over any rules and any stack. Input: rsp's and rbp's offsets into the stack, pc's number, how
 * many rules; the rules, 8 bytes each; the stack. Code is a handful of addresses, each ruled by one rule.
 *
 * Whatever they say: the walk ends, the frames are as many as it says, and reading the stack in windows finds what
 * reading it word by word finds.
 */
#include <stdlib.h>

#include "bpfcore/host.h"

#define STACK  0x7ffc0000f000ull
#define PAGE   4096u
#define PAGES  4u
#define CODE   0x400000ull
#define RULES  16
#define HEADER 8

struct input {
	struct hf_unwind_rule rules[RULES];
	uint32_t rule_count;
};

/* Addresses at CODE are ruled in turn, the rest has no rule. */
static const struct hf_unwind_rule *find(void *context, uint64_t pc)
{
	const struct input *input = context;

	if (pc - CODE >= 0x10000 || !input->rule_count)
		return NULL;
	return &input->rules[pc % input->rule_count];
}

static int is_aligned(uint64_t address)
{
	return !(address & 7);
}

/* hf_unwind_read() as it would be without windows. */
static void forget_window(struct hf_unwind *u)
{
	u->window_bytes = 0;
}

static uint32_t walk_word_by_word(struct hf_unwind *u, const struct input *input, uint64_t *pcs)
{
	int over = 0;

	while (!over && u->depth < HF_MAX_FRAMES) {
		const struct hf_unwind_rule *rule =
			find((void *)(uintptr_t)input, hf_unwind_lookup_pc(u));

		pcs[u->depth++] = u->pc;
		forget_window(u);
		over = rule && rule->cfa_kind != HF_CFA_NONE
			       ? hf_unwind_by_rule(u, rule)
			       : hf_unwind_by_frame_pointer(u, HF_STACK_JIT);
	}
	return u->depth;
}

static void check(const struct input *input, uint64_t pc, uint64_t sp, uint64_t bp)
{
	static uint64_t pcs[HF_MAX_FRAMES], others[HF_MAX_FRAMES];
	struct hf_unwind u, other;

	hf_unwind_begin(&u, pc, sp, bp, 1);
	other = u;
	host_walk(&u, find, (void *)(uintptr_t)input, pcs);
	walk_word_by_word(&other, input, others);
	if (u.depth == 0 || u.depth > HF_MAX_FRAMES || u.end >= HF_STACK_END_COUNT ||
	    u.window_bytes > HF_WINDOW_BYTES || !is_aligned(u.window_base))
		abort();
	if (u.depth != other.depth || u.end != other.end || u.jit_frames != other.jit_frames ||
	    memcmp(pcs, others, u.depth * sizeof(*pcs)) != 0)
		abort();
	/* The same walk again has the same hash: its id is what stacks are known by. */
	other = u;
	hf_unwind_begin(&u, pc, sp, bp, 1);
	host_walk(&u, find, (void *)(uintptr_t)input, pcs);
	if (u.hash != other.hash)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t stack[PAGES * PAGE];
	struct input input = {.rule_count = 0};
	uint16_t sp, bp;
	uint64_t pc;
	size_t bytes;

	if (size < HEADER)
		return 0;
	memcpy(&sp, data, sizeof(sp));
	memcpy(&bp, data + 2, sizeof(bp));
	pc = CODE + data[4];
	input.rule_count = data[5] % (RULES + 1);
	bytes = input.rule_count * sizeof(struct hf_unwind_rule);
	if (size - HEADER < bytes)
		return 0;
	memcpy(input.rules, data + HEADER, bytes);
	data += HEADER + bytes;
	size -= HEADER + bytes;
	if (size > sizeof(stack))
		size = sizeof(stack);
	memset(stack, 0, sizeof(stack)); /* whole pages can be read or cannot */
	memcpy(stack, data, size);
	host_memory.bytes = stack;
	host_memory.size = (size + PAGE - 1) / PAGE * PAGE;
	host_memory.base = STACK;
	check(&input, pc, STACK + sp, STACK + bp);
	return 0;
}
