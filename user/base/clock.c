/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_usage_ns(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * NS_PER_S +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * NS_PER_US;
}

uint64_t clock_wall_of_monotonic_ns(uint64_t monotonic_ns)
{
	uint64_t now = clock_now_ns();

	return clock_wall_ns() - now + monotonic_ns;
}

int clock_add_rfc3339(struct strbuf *sb, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	/* 2^64 ns reach the year 2554, so this can only fail for want of memory */
	if (!gmtime_r(&seconds, &tm))
		return -ENOMEM;
	return strbuf_addf(sb, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
			   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			   (unsigned int)(wall_ns / NS_PER_MS % 1000));
}

static int add_three_digits(struct strbuf *sb, double value, const char *unit)
{
	if (value < 9.995)
		return strbuf_addf(sb, "%.2f %s", value, unit);
	if (value < 99.95)
		return strbuf_addf(sb, "%.1f %s", value, unit);
	return strbuf_addf(sb, "%.0f %s", value, unit);
}

int clock_add_duration(struct strbuf *sb, uint64_t duration_ns)
{
	uint64_t seconds = duration_ns / NS_PER_S + (duration_ns % NS_PER_S >= NS_PER_S / 2);
	unsigned long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (duration_ns < NS_PER_US)
		return strbuf_addf(sb, "%u ns", (unsigned int)duration_ns);
	if (duration_ns < NS_PER_MS)
		return add_three_digits(sb, (double)duration_ns / NS_PER_US, "us");
	if (duration_ns < NS_PER_S)
		return add_three_digits(sb, (double)duration_ns / NS_PER_MS, "ms");
	if (seconds < 60)
		return add_three_digits(sb, (double)duration_ns / NS_PER_S, "s");
	if (hours == 0)
		return strbuf_addf(sb, "%llu m %02u s", minutes, (unsigned int)(seconds % 60));
	if (days == 0)
		return strbuf_addf(sb, "%llu h %02u m", hours, (unsigned int)(minutes % 60));
	return strbuf_addf(sb, "%llu d %u h", days, (unsigned int)(hours % 24));
}
