/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thresholds, with hysteresis: an alarm begins when the value reaches its limit, and ends when it has been below a part of that for a while, so
 * that what hovers around the limit tells of it once. Pure.
 */
#ifndef HOLDFAST_AGENT_ALARM_H
#define HOLDFAST_AGENT_ALARM_H

#include <stdbool.h>
#include <stdint.h>

/* X(upper, name as in events and metrics) */
#define ALARM_KINDS(X)                        \
	X(MEMORY_WARNING, "memory_warning")   \
	X(MEMORY_CRITICAL, "memory_critical") \
	X(GROWTH, "growth")

enum alarm_kind {
#define X(upper, name) ALARM_##upper,
	ALARM_KINDS(X)
#undef X
		ALARM_KIND_COUNT
};

const char *alarm_kind_name(enum alarm_kind kind);

#define ALARM_END_SHARE    0.95 /* of the limit */
#define ALARM_END_AFTER_NS 30000000000ULL

/* 0: no limit. */
struct alarm_limits {
	double of[ALARM_KIND_COUNT]; /* bytes; GROWTH: bytes per second */
};

struct alarm {
	bool firing;
	uint64_t since_wall_ns;
	uint64_t below_ns; /* CLOCK_MONOTONIC since when it has been below; 0: it is not */
	double value;      /* the last */
};

enum alarm_change { ALARM_SAME, ALARM_BEGINS, ALARM_ENDS };

/* @limit 0: one that fires ends at once. @now_ns never 0. */
enum alarm_change alarm_update(struct alarm *alarm, double value, double limit, uint64_t now_ns);

#endif
