/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"

/* A process that is none of ours, and when that is to be asked again. */
struct stranger {
	int pid;
	uint64_t start_ticks;
	uint64_t again_ns; /* UINT64_MAX: never, it is the kernel's */
};

VEC_STRUCT(stranger_vec, struct stranger);
VEC_STRUCT(watched_vec, struct watched *);

struct process_watch {
	struct watch_options options;
	struct watched_vec targets;    /* by pid */
	struct stranger_vec strangers; /* by pid */
	struct watch_counts counts;
	bool rules_changed, blind; /* blind: gauges are off */
	size_t next_full;          /* whose turn it is */
};

int process_watch_new(const struct watch_options *options, struct process_watch **ret)
{
	struct process_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->options = *options;
	*ret = watch;
	return 0;
}

static void watched_free(struct watched *watched)
{
	if (!watched)
		return;
	process_handle_done(&watched->handle);
	facts_done(&watched->facts);
	free(watched);
}
DEFINE_CLEANUP(struct watched *, watched_free);

void process_watch_free(struct process_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < watch->targets.count; i++)
		watched_free(watch->targets.items[i]);
	vec_done(&watch->targets);
	vec_done(&watch->strangers);
	free(watch);
}

size_t process_watch_count(const struct process_watch *watch)
{
	return watch->targets.count;
}

struct watched *process_watch_at(const struct process_watch *watch, size_t index)
{
	return index < watch->targets.count ? watch->targets.items[index] : NULL;
}

/* Where @pid is, or would be. */
static size_t place_of(const struct process_watch *watch, int pid)
{
	size_t low = 0, high = watch->targets.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (watch->targets.items[middle]->handle.key.pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct watched *process_watch_find(const struct process_watch *watch, int pid)
{
	size_t at = place_of(watch, pid);

	return at < watch->targets.count && watch->targets.items[at]->handle.key.pid == pid
		       ? watch->targets.items[at]
		       : NULL;
}

void process_watch_get_counts(const struct process_watch *watch, struct watch_counts *ret)
{
	*ret = watch->counts;
}

void process_watch_set_rules(struct process_watch *watch, const struct target_rules *rules)
{
	watch->options.rules = rules;
	watch->rules_changed = true;
}

void process_watch_set_gauges(struct process_watch *watch, bool on)
{
	watch->blind = !on;
}

/* What was read before is not what it is now. */
static void forget_reading(struct watched *watched, uint64_t now_ns)
{
	watched->reading = (struct watch_reading){
		.time_ns = now_ns,
		.memory = {.rss_bytes = WATCH_UNKNOWN, .vms_bytes = WATCH_UNKNOWN},
	};
	if (watched->rss.first_ns)
		watched->rss = (struct history){.first_ns = 0};
}

static int read_cheap(const struct process_watch *watch, struct watched *watched, uint64_t now_ns)
{
	struct process_memory memory;
	struct watch_reading *reading = &watched->reading;
	int err = process_handle_memory(&watched->handle, false, &memory);

	if (err)
		return err;
	if (!memory.vms_bytes) /* it has ended, and was not reaped yet */
		return -ESRCH;
	if (watch->blind) {
		forget_reading(watched, now_ns);
		return 0;
	}
	reading->memory.rss_bytes = memory.rss_bytes;
	reading->memory.vms_bytes = memory.vms_bytes;
	reading->time_ns = now_ns;
	history_add(&watched->rss, now_ns, memory.rss_bytes);
	return 0;
}

/* It runs another program by now. -EPERM: which is no target's. */
static int renew(const struct process_watch *watch, struct watched *watched)
{
	struct process_handle handle = PROCESS_HANDLE_INIT;
	char *exe;
	int rule = watched->rule;
	int err = watch->options.open(watch->options.user, watched->handle.key.pid, &handle, &exe,
				      &rule);

	if (err)
		return err;
	process_handle_done(&watched->handle);
	watched->handle = handle;
	err = facts_complete(&watched->facts);
	if (err) {
		free(exe);
		return err;
	}
	free(watched->facts.exe);
	watched->facts.exe = exe;
	watched->facts.exe_unknown = !*exe;
	watched->execs++;
	return 0;
}

/* Page tables, the cgroup's limit, faults. smaps_rollup is of the program that ran when it was opened. */
static int read_full(const struct process_watch *watch, struct watched *watched, uint64_t now_ns)
{
	struct watch_reading *reading = &watched->reading;
	struct cgroup_memory group;
	struct process_memory memory;
	struct process_stat stat;
	int err;

	if (process_handle_stat(&watched->handle, &stat))
		return -ESRCH;
	err = process_handle_memory(&watched->handle, true, &memory);
	if (err == -ESRCH) {
		err = renew(watch, watched);
		if (!err)
			err = process_handle_memory(&watched->handle, true, &memory);
		if (err && err != -EACCES)
			return err;
	}
	if (!err) {
		reading->memory = memory;
		reading->full_ns = now_ns;
	}
	reading->minor_faults = stat.minor_faults;
	reading->major_faults = stat.major_faults;
	if (!cgroup_memory_read(watched->handle.key.pid, &group)) {
		reading->limit_bytes = group.limit_bytes;
		reading->limit_usage_bytes = group.usage_bytes;
	}
	return 0;
}

static int read_full_counted(struct process_watch *watch, struct watched *watched, uint64_t now_ns)
{
	uint64_t began_ns = clock_thread_cpu_ns(), rest_ns;
	int err = read_full(watch, watched, now_ns);

	/* That it runs another program by now was to be found out all the same. */
	if (watch->blind)
		forget_reading(watched, now_ns);
	watched->full_cost_ns = clock_thread_cpu_ns() - began_ns;
	watch->counts.full_ns += watched->full_cost_ns;
	/* What it cost is spread over so long that it is no more than the share. */
	rest_ns = (uint64_t)((double)watched->full_cost_ns *
			     (double)(watch->targets.count ? watch->targets.count : 1) /
			     watch->options.full_share);
	if (rest_ns < watch->options.full_ns)
		rest_ns = watch->options.full_ns;
	watched->next_full_ns = now_ns + rest_ns;
	return err;
}

int process_watch_read(struct process_watch *watch, struct watched *watched, uint64_t now_ns,
		       bool full)
{
	int err = read_cheap(watch, watched, now_ns);

	return err || !full ? err : read_full_counted(watch, watched, now_ns);
}

static void remove_target(struct process_watch *watch, size_t index, const char *reason)
{
	struct watched *watched = watch->targets.items[index];
	size_t behind = watch->targets.count - index - 1;

	memmove(&watch->targets.items[index], &watch->targets.items[index + 1],
		behind * sizeof(*watch->targets.items));
	watch->targets.count--;
	watch->options.went(watch->options.user, watched, reason);
	watched_free(watched);
}

static int insert_target(struct process_watch *watch, struct watched *watched)
{
	size_t at = place_of(watch, watched->handle.key.pid), behind = watch->targets.count - at;
	int err = vec_reserve(&watch->targets, 1);

	if (err)
		return err;
	memmove(&watch->targets.items[at + 1], &watch->targets.items[at],
		behind * sizeof(*watch->targets.items));
	watch->targets.items[at] = watched;
	watch->targets.count++;
	return 0;
}

/* Takes over the texts of @facts. -EPERM: it is no target after all. */
static int add_target(struct process_watch *watch, struct process_facts *facts, int rule,
		      uint64_t now_ns)
{
	_cleanup_(watched_freep) struct watched *watched = NULL;
	char *exe;
	int err = facts->complete ? 0 : facts_complete(facts);

	if (!err && watch->targets.count >= WATCH_MAX)
		err = -ENOSPC;
	if (err)
		return err;
	watched = calloc(1, sizeof(*watched));
	if (!watched)
		return -ENOMEM;
	watched->handle = (struct process_handle)PROCESS_HANDLE_INIT;
	err = watch->options.open(watch->options.user, facts->stat.key.pid, &watched->handle, &exe,
				  &rule);
	if (err)
		return err;
	watched->facts = *facts;
	*facts = (struct process_facts)PROCESS_FACTS_INIT;
	free(watched->facts.exe);
	watched->facts.exe = exe;
	watched->facts.exe_unknown = !*exe;
	watched->rule = rule;
	/* Another process has the pid by now. */
	if (watched->handle.key.start_ticks != watched->facts.stat.key.start_ticks)
		return -ESRCH;
	err = process_watch_read(watch, watched, now_ns, true);
	if (!err)
		err = insert_target(watch, watched);
	if (err)
		return err;
	watch->options.came(watch->options.user, watched);
	watched = NULL;
	return 0;
}

/* Not all in the same pass. */
static uint64_t again_ns(int pid, uint64_t now_ns)
{
	return now_ns + WATCH_AGAIN_NS / 2 + (uint64_t)pid * 2654435761u % (WATCH_AGAIN_NS / 2);
}

/* Is it a target? Then it is one from now on; else *ret tells when to ask again. -ESRCH: it is gone. */
static int examine(struct process_watch *watch, int pid, uint64_t now_ns, struct stranger *ret)
{
	_cleanup_(facts_done) struct process_facts facts = PROCESS_FACTS_INIT;
	int rule, err = facts_read(pid, &facts);

	if (err)
		return err;
	*ret = (struct stranger){
		.pid = pid,
		.start_ticks = facts.stat.key.start_ticks,
		.again_ns = facts.stat.kernel_thread ? UINT64_MAX : again_ns(pid, now_ns),
	};
	if (watch->options.skip && watch->options.skip(watch->options.user, pid))
		return 0;
	rule = target_rules_match(watch->options.rules, &facts);
	if (rule < 0)
		return rule == -ENOENT ? 0 : rule;
	err = add_target(watch, &facts, rule, now_ns);
	if (!err)
		ret->pid = 0; /* none any more */
	else if (err != -EPERM && err != -ESRCH) {
		watch->counts.refused++;
		log_debug_err(err, "process %d is a target, but can't be watched", pid);
		err = 0;
	}
	return err == -EPERM ? 0 : err;
}

struct watched *process_watch_meet(struct process_watch *watch, int pid, uint64_t now_ns)
{
	struct watched *watched = process_watch_find(watch, pid);
	struct stranger stranger;

	if (!watched && !examine(watch, pid, now_ns, &stranger))
		watched = process_watch_find(watch, pid);
	return watched;
}

/* Those of @before that are in @pids, and new ones: both are sorted. */
static int meet_strangers(struct process_watch *watch, const int *pids, size_t count,
			  uint64_t now_ns)
{
	struct stranger_vec before = watch->strangers, now = VEC_INIT;
	size_t j = 0;
	int err = vec_reserve(&now, count);

	for (size_t i = 0; !err && i < count; i++) {
		struct stranger stranger = {.pid = pids[i]};

		while (j < before.count && before.items[j].pid < pids[i])
			j++;
		if (j < before.count && before.items[j].pid == pids[i])
			stranger = before.items[j];
		if (process_watch_find(watch, pids[i]))
			continue;
		if (stranger.again_ns <= now_ns && examine(watch, pids[i], now_ns, &stranger))
			continue; /* gone */
		if (stranger.pid)
			err = vec_push(&now, stranger);
	}
	if (err) {
		vec_done(&now);
		return err;
	}
	vec_done(&before);
	watch->strangers = now;
	return 0;
}

/* Another process may have an old one's pid: a handle never tells of that. */
static void read_targets(struct process_watch *watch, uint64_t now_ns)
{
	for (size_t i = 0; i < watch->targets.count;) {
		if (read_cheap(watch, watch->targets.items[i], now_ns))
			remove_target(watch, i, "ended");
		else
			i++;
	}
}

/* From where the last pass left off, at most once around, within a hundredth of a second's share. */
static void read_fully(struct process_watch *watch, uint64_t now_ns)
{
	uint64_t began_ns = clock_thread_cpu_ns();
	const uint64_t most_ns = 10000000;

	for (size_t n = watch->targets.count; n && clock_thread_cpu_ns() - began_ns < most_ns;
	     n--) {
		struct watched *watched;
		int err = 0;

		if (watch->next_full >= watch->targets.count)
			watch->next_full = 0;
		watched = watch->targets.items[watch->next_full];
		if (watched->next_full_ns <= now_ns)
			err = read_full_counted(watch, watched, now_ns);
		if (err == -EPERM || err == -ESRCH)
			remove_target(watch, watch->next_full, err == -EPERM ? "rules" : "ended");
		else
			watch->next_full++;
	}
}

/* Whose program or ancestors' programs may not be known here: who opens it knows better which rule it is. -ESRCH, -EPERM, -ENOENT. */
static int find_rule(const struct process_watch *watch, struct watched *watched)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	_cleanup_free_ char *exe = NULL;
	int rule = target_rules_match(watch->options.rules, &watched->facts), err;

	if (rule < 0)
		return rule;
	err = watch->options.open(watch->options.user, watched->handle.key.pid, &handle, &exe,
				  &rule);
	if (!err && handle.key.start_ticks != watched->handle.key.start_ticks)
		err = -ESRCH;
	return err ? err : rule;
}

static void apply_rules(struct process_watch *watch)
{
	watch->rules_changed = false;
	for (size_t i = 0; i < watch->targets.count;) {
		struct watched *watched = watch->targets.items[i];
		int rule = find_rule(watch, watched);

		if (rule < 0) {
			remove_target(watch, i, rule == -ESRCH ? "ended" : "rules");
			continue;
		}
		watched->rule = rule;
		i++;
	}
	for (size_t i = 0; i < watch->strangers.count; i++)
		if (watch->strangers.items[i].again_ns != UINT64_MAX)
			watch->strangers.items[i].again_ns = 0;
}

int process_watch_pass(struct process_watch *watch, uint64_t now_ns)
{
	_cleanup_free_ int *pids = NULL;
	uint64_t began_ns = clock_thread_cpu_ns();
	size_t count;
	int err;

	if (watch->rules_changed)
		apply_rules(watch);
	read_targets(watch, now_ns);
	err = process_list(&pids, &count);
	if (!err) {
		watch->counts.processes = count;
		err = meet_strangers(watch, pids, count, now_ns);
	}
	watch->counts.pass_ns = clock_thread_cpu_ns() - began_ns;
	read_fully(watch, now_ns);
	return err;
}
