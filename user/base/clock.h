/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - the two clocks, and CPU time. Pure modules do not use it: time comes to them with the event.
 *
 * clock_now_ns() is CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() (bpf-helpers(7)): times of
 * events and of user space compare directly. Wall time is for showing and for reports only.
 */
#ifndef HF_BASE_CLOCK_H
#define HF_BASE_CLOCK_H

#include <stdint.h>

#include "base/strbuf.h"

struct rusage;

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

uint64_t clock_now_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
uint64_t clock_wall_ns(void);
/* CPU time of this thread, of this process without its children, and what getrusage(2) or wait4(2) has told. */
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);
uint64_t clock_usage_ns(const struct rusage *usage);
/* Wall time of a monotonic time, by the present offset of the two clocks. */
uint64_t clock_wall_of_monotonic_ns(uint64_t monotonic_ns);

/* "2026-01-02T03:04:05.678Z" (RFC 3339, UTC, milliseconds). 0 or -ENOMEM. */
int clock_add_rfc3339(struct strbuf *sb, uint64_t wall_ns);
/* For people, two units at most: "850 ns", "12.3 ms", "1.50 s", "2 m 05 s", "2 h 20 m", "3 d 4 h". */
int clock_add_duration(struct strbuf *sb, uint64_t duration_ns);

#endif
