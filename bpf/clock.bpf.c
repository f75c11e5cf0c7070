// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast the target gets on with its own work: ticks of a timer that find it running, and of these those in user mode.
 * What our probes take from it is spent in the kernel, so while they are in the latter are fewer; the user side
 * compares. The cookie is the slot.
 */
#include "thread.bpf.h"

#define USER_MODE_RING        3
#define INSTRUCTION_MAX_BYTES 15

/* A timer that went off in a trap is heard when the trap returns: at the next instruction. */
static __always_inline bool is_on_way_back(u64 ip)
{
	struct hf_thread *t = thread_find();

	return t && ip - t->trapped_ip <= INSTRUCTION_MAX_BYTES;
}

SEC("perf_event")
int clock_tick(struct bpf_perf_event_data *ctx)
{
	struct hf_process *process;
	u32 slot = bpf_get_attach_cookie(ctx);

	process = process_current();
	if (!process)
		return 0;
	slot &= HF_TICK_SLOTS - 1;
	__sync_fetch_and_add(&process->ticks[slot], 1);
	if ((ctx->regs.cs & 3) == USER_MODE_RING && !is_on_way_back(ctx->regs.ip))
		__sync_fetch_and_add(&process->user_ticks[slot], 1);
	return 0;
}
