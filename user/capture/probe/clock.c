// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/clock.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

_Static_assert(PROBE_CLOCK_FAST < HF_TICK_SLOTS, "a slot for each clock");

static int add_timer(struct probe *probe, int cpu, enum probe_clock which)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = which == PROBE_CLOCK_FAST ? PROBE_CLOCK_FAST_NS
							   : PROBE_CLOCK_SLOW_NS,
		.disabled = which == PROBE_CLOCK_FAST,
	};
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = which);
	int program = bpf_program__fd(probe->skeleton->progs.clock_tick), link, err;
	int event = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (event < 0)
		return errno == ENODEV ? 0 : -errno; /* that CPU is off */
	err = vec_push(&probe->clocks[which], event);
	if (err) {
		close(event);
		return err;
	}
	link = bpf_link_create(program, event, BPF_PERF_EVENT, &options);
	if (link < 0)
		return link;
	err = vec_push(&probe->tracepoints, link);
	if (err)
		close(link);
	return err;
}

static void stop(struct probe *probe)
{
	for (int which = 0; which < HF_TICK_SLOTS; which++)
		links_close(&probe->clocks[which]);
}

int probe_clock_start(struct probe *probe)
{
	int err = probe->cpu_count > PROBE_CLOCK_MAX_CPUS ? -E2BIG : 0;

	if (probe->clocks[0].count)
		return 0;
	for (int cpu = 0; !err && cpu < probe->cpu_count; cpu++) {
		err = add_timer(probe, cpu, PROBE_CLOCK_SLOW);
		if (!err)
			err = add_timer(probe, cpu, PROBE_CLOCK_FAST);
	}
	if (err)
		stop(probe);
	return err;
}

void probe_clock_set_fast(const struct probe *probe, bool on)
{
	const struct fd_vec *timers = &probe->clocks[PROBE_CLOCK_FAST];

	for (size_t i = 0; i < timers->count; i++)
		ioctl(timers->items[i], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

struct probe_ticks probe_clock_ticks(const struct probe *probe, int pid, enum probe_clock which)
{
	struct hf_process process = {0};
	uint32_t key = (uint32_t)pid;

	bpf_map_lookup_elem(bpf_map__fd(probe->skeleton->maps.processes), &key, &process);
	return (struct probe_ticks){process.ticks[which], process.user_ticks[which]};
}
