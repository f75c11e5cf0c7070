/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/alarm.h"

const char *alarm_kind_name(enum alarm_kind kind)
{
	static const char *const names[] = {
#define X(upper, name) [ALARM_##upper] = (name),
		ALARM_KINDS(X)
#undef X
	};

	return names[kind];
}

enum alarm_change alarm_update(struct alarm *alarm, double value, double limit, uint64_t now_ns)
{
	alarm->value = value;
	if (!alarm->firing) {
		if (limit <= 0 || value < limit)
			return ALARM_SAME;
		alarm->firing = true;
		alarm->below_ns = 0;
		return ALARM_BEGINS;
	}
	if (limit > 0 && value >= limit * ALARM_END_SHARE) {
		alarm->below_ns = 0;
		return ALARM_SAME;
	}
	if (!alarm->below_ns)
		alarm->below_ns = now_ns;
	if (limit > 0 && now_ns - alarm->below_ns < ALARM_END_AFTER_NS)
		return ALARM_SAME;
	alarm->firing = false;
	return ALARM_ENDS;
}
