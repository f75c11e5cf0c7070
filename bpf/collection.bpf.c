// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long collections of garbage take: between the places at which Python itself says that one begins and that it is done (USDTs
 * gc__start and gc__done). All threads that want to run Python wait meanwhile. Interpreters with locks of their own (3.12) may collect
 * at once: then one of the two is timed.
 */
#include "maps.bpf.h"

static __always_inline struct hf_collections *collections_of(u64 thread)
{
	u32 pid = thread >> 32;
	struct hf_collections *c = bpf_map_lookup_elem(&collection_times, &pid);

	if (c)
		__sync_fetch_and_add(&c->hits, 1);
	return c;
}

SEC("uprobe")
int collection_begins(void *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct hf_collections *c = collections_of(thread);

	(void)ctx;
	if (!c)
		return 0;
	c->thread = thread;
	c->began_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("uprobe")
int collection_ends(void *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), took_ns;
	struct hf_collections *c = collections_of(thread);

	(void)ctx;
	if (!c || c->thread != thread)
		return 0;
	took_ns = bpf_ktime_get_ns() - c->began_ns;
	c->thread = 0;
	c->count++;
	c->total_ns += took_ns;
	if (took_ns > c->longest_ns)
		c->longest_ns = took_ns;
	return 0;
}
