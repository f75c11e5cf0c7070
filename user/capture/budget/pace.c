// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/budget/pace.h"

#include <math.h>
#include <stdbool.h>

/* What is left of a piece's weight after each that follows. */
#define FADES 0.95
/* What a probe takes is known so well: between the calibration and a target, caches and branch tables differ. */
#define COST_ERROR 0.12
/* and does not take more than this much of it */
#define COST_MOST 1.3
/* Below this share of a core no thread is busy all the time; */
#define BUSY_SHARE 0.9
/* and that it could have more CPU than it needs is proved where it takes so many times as much with a window open. */
#define HEADROOM       2.0
#define HEADROOM_ERROR 0.05
/* Fewer system calls tell nothing. */
#define CALLS_LEAST 16
/* Where nothing is left that could be told from an error: more than this factor, by how much nobody knows. */
#define FACTOR_MAX  1000.0
#define BLIND_ERROR 5.0

static double since(uint64_t now, uint64_t then)
{
	return now > then ? (double)(now - then) : 0;
}

static void add(struct pace_rate *rate, double amount, double time)
{
	rate->sum = FADES * rate->sum + amount;
	rate->square = FADES * rate->square + amount * amount;
	rate->cross = FADES * rate->cross + amount * time;
	rate->time = FADES * rate->time + time;
	rate->time_square = FADES * rate->time_square + time * time;
	rate->pieces = FADES * rate->pieces + 1;
}

void pace_outside(struct pace *pace, const struct pace_reading *from,
		  const struct pace_reading *until)
{
	double time = since(until->time_ns, from->time_ns);

	if (time <= 0)
		return;
	add(&pace->outside_calls, since(until->calls, from->calls), time);
	add(&pace->outside_cpu, since(until->cpu_ns, from->cpu_ns), time);
}

void pace_inside(struct pace *pace, const struct pace_reading *from,
		 const struct pace_reading *until, double cost_ns)
{
	double time = since(until->time_ns, from->time_ns);

	if (time <= 0)
		return;
	add(&pace->inside_calls, since(until->calls, from->calls), time);
	add(&pace->inside_cpu, since(until->cpu_ns, from->cpu_ns), time);
	pace->cost_ns = FADES * pace->cost_ns + cost_ns;
}

/* Relative variance of a ratio of sums (Cochran 1977, 6.4), and no less than that of the counts themselves. */
static double variance(const struct pace_rate *rate, bool counted)
{
	double ratio = rate->sum / rate->time, spread = 0;

	if (rate->pieces > 1.5)
		spread = (rate->square - 2 * ratio * rate->cross +
			  ratio * ratio * rate->time_square) *
			 rate->pieces / (rate->pieces - 1) / (rate->sum * rate->sum);
	return fmax(spread, counted ? 1 / rate->sum : 0);
}

struct measure {
	double factor, variance; /* relative */
};

static bool by_calls(const struct pace *pace, struct measure *ret)
{
	const struct pace_rate *outside = &pace->outside_calls, *inside = &pace->inside_calls;

	if (outside->sum < CALLS_LEAST || inside->sum < CALLS_LEAST)
		return false;
	ret->factor = outside->sum / outside->time / (inside->sum / inside->time);
	ret->variance = variance(outside, true) + variance(inside, true);
	return true;
}

/* It has CPU time to spare: what probes take is no loss to its work, which would be hard to tell from an error in their cost. */
static bool has_headroom(const struct pace *pace)
{
	double outside = pace->outside_cpu.sum / pace->outside_cpu.time;
	double inside = pace->inside_cpu.sum / pace->inside_cpu.time;

	return inside < BUSY_SHARE && inside > HEADROOM * outside;
}

static bool by_work(const struct pace *pace, struct measure *ret)
{
	const struct pace_rate *idle = &pace->outside_cpu, *busy = &pace->inside_cpu;
	double doubt = COST_ERROR * pace->cost_ns, left, work, outside, inside;

	if (idle->sum <= 0 || busy->sum <= 0)
		return false;
	if (has_headroom(pace)) {
		*ret = (struct measure){1, HEADROOM_ERROR * HEADROOM_ERROR};
		return true;
	}
	left = busy->sum - pace->cost_ns;
	work = fmax(left, fmax(doubt, busy->sum / FACTOR_MAX));
	outside = variance(idle, false);
	inside = variance(busy, false) * (busy->sum / work) * (busy->sum / work);
	ret->factor = idle->sum / idle->time / (work / busy->time);
	ret->variance = outside + inside + (doubt / work) * (doubt / work);
	if (left < 2 * doubt)
		ret->variance = fmax(ret->variance, BLIND_ERROR * BLIND_ERROR);
	return true;
}

static void join(struct measure *sum, const struct measure *more)
{
	double weight = 1 / fmax(more->variance, 1e-6);

	sum->factor += weight * log(more->factor);
	sum->variance += weight;
}

/* If one thread paid all of it, and everything else waited for that one. */
static double most_by_cost(const struct pace *pace)
{
	double share = COST_MOST * pace->cost_ns / pace->inside_cpu.time;

	return share < 1 - 1 / FACTOR_MAX ? 1 / (1 - share) : FACTOR_MAX;
}

struct pace_slowdown pace_slowdown(const struct pace *pace)
{
	struct measure sum = {0}, one;
	struct pace_slowdown ret = {1, 0};
	double most;

	if (by_calls(pace, &one))
		join(&sum, &one);
	if (by_work(pace, &one))
		join(&sum, &one);
	if (sum.variance > 0) {
		most = most_by_cost(pace);
		ret.factor = fmin(fmax(exp(sum.factor / sum.variance), 1), most);
		ret.error = fmin(sqrt(1 / sum.variance), most - 1);
	}
	return ret;
}
