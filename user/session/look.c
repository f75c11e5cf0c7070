// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/look.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* A loss is confirmed by a look HEAP_CONFIRM_NS later. */
#define LOOK_GAP_NS (820 * NS_PER_MS)
/* Our own work is at most this share of the time, 1 / n: of the first looks, which are to tell a leak, and of later
 * ones. On a machine without an idle CPU it slows the target down, too. */
#define WORK_SHARE_FIRST 3
#define WORK_SHARE       10
#define FIRST_LOOKS      6
/* Where that would be too dear: not longer, though. */
#define BUSY_GAP_MAX_NS (30 * NS_PER_S)
#define WORK_GAP_MAX_NS (120 * NS_PER_S)
/* A look that takes longer is slow. */
#define SLOW_NS (200 * NS_PER_MS)
/* After a look that gave nothing. */
#define FAILED_GAP_NS      (2 * NS_PER_S)
#define FAILED_GAP_CALM_NS (20 * NS_PER_S)

void look_init(struct look *look)
{
	memset(look, 0, sizeof(*look));
	lost_evidence_init(&look->evidence);
}

static bool is_kept(const struct look *look, const struct heap_snapshot *snapshot)
{
	return snapshot == look->newest || snapshot == look->census || snapshot == look->first;
}

/* Those of @old that nothing in @look is any more; one may stand there twice. */
static void free_others(const struct look *look, struct heap_snapshot **old, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= old[k] == old[i];
		if (!again && !is_kept(look, old[i]))
			heap_snapshot_free(old[i]);
	}
}

static void drop_snapshots(struct look *look)
{
	struct heap_snapshot *old[] = {look->newest, look->census, look->first};

	look->census = look->newest = look->first = NULL;
	free_others(look, old, sizeof(old) / sizeof(*old));
}

void look_cancel(struct look *look)
{
	heap_worker_cancel(look->scan);
	look->scan = NULL;
}

void look_done(struct look *look)
{
	look_cancel(look);
	drop_snapshots(look);
	vec_done(&look->asked);
	vec_done(&look->asking);
	lost_evidence_done(&look->evidence);
}

void look_forget(struct look *look)
{
	look_cancel(look);
	drop_snapshots(look);
	look->next_ns = 0;
	look->era++;
	lost_evidence_done(&look->evidence);
	lost_evidence_init(&look->evidence);
}

bool look_due(const struct look *look, uint64_t now_ns)
{
	return !look->scan && now_ns >= look->next_ns;
}

bool look_is_slow(const struct look *look)
{
	return look->total_ns > SLOW_NS;
}

static uint64_t failed_gap_ns(const struct look_options *options)
{
	return options->work_percent > 0 ? FAILED_GAP_CALM_NS : FAILED_GAP_NS;
}

int look_start(struct look *look, const struct look_options *options, int pid, uint64_t now_ns)
{
	struct heap_scan_options scan = {
		.pid = pid,
		.census = options->census,
		.no_stop = options->no_stop,
		.max_stop_ns = options->max_stop_ns,
		.memory_bytes = options->memory_bytes,
		.before = look->newest,
		.known = options->known,
		.known_count = options->known_count,
		.mappings = options->mappings,
		.mapping_count = options->mapping_count,
		.questions = options->questions,
		.question_count = options->question_count,
		.watched = options->watched,
		.watched_count = options->watched_count,
	};
	int err;

	if (look->newest && look->newest->stop_ns)
		scan.rate_bytes_per_second = (uint64_t)((double)look->newest->copied_bytes /
							((double)look->newest->stop_ns / NS_PER_S));
	look->census_asked = options->census;
	err = heap_scan_start(&scan, &look->scan);
	if (err) {
		look->error = err;
		look->failed++;
		look->next_ns = now_ns + failed_gap_ns(options);
	}
	return err;
}

int look_fd(const struct look *look)
{
	return heap_worker_fd(look->scan);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* An incomplete look proves nothing, and must not come between two that do. */
static void keep(struct look *look, struct heap_snapshot *snapshot)
{
	struct heap_snapshot *old[] = {look->newest, look->census, snapshot};

	if (snapshot->complete || !look->newest) {
		look->newest = snapshot;
		look->joined = false;
	}
	if (look->census_asked) {
		struct site_ids asked = look->asking;

		look->census = snapshot;
		look->asking = look->asked;
		look->asked = asked;
	}
	if (look->census_asked && look->keep_first && !look->first)
		look->first = snapshot;
	free_others(look, old, sizeof(old) / sizeof(*old));
}

uint64_t look_work_gap_ns(uint64_t work_ns, double percent)
{
	double gap = (double)work_ns * 100 / percent;

	return gap < WORK_GAP_MAX_NS ? (uint64_t)gap : WORK_GAP_MAX_NS;
}

/* How long until the next one may begin, for the sake of what our work costs. */
static uint64_t work_gap_ns(const struct look *look, const struct look_options *options,
			    uint64_t work_ns)
{
	double busy = (double)work_ns * options->displaced * 100 / options->stop_percent;

	if (options->work_percent > 0)
		return look_work_gap_ns(work_ns, options->work_percent);
	if (look->looks <= FIRST_LOOKS)
		return work_ns * WORK_SHARE_FIRST;
	return later(work_ns * WORK_SHARE,
		     busy < BUSY_GAP_MAX_NS ? (uint64_t)busy : BUSY_GAP_MAX_NS);
}

void look_finish(struct look *look, const struct look_options *options, uint64_t now_ns)
{
	struct heap_snapshot *snapshot = NULL;
	uint64_t gap_ns = LOOK_GAP_NS;

	look->last = NULL;
	look->error = heap_scan_finish(look->scan, &snapshot);
	look->scan = NULL;
	if (look->error) {
		look->failed++;
		look->only_traced |= look->error == -ENOENT;
		look->next_ns = now_ns + failed_gap_ns(options);
		return;
	}
	look->looks++;
	look->total_ns = snapshot->total_ns;
	look->incomplete += !snapshot->complete;
	look->stop_ns_max = later(look->stop_ns_max, snapshot->stop_ns);
	look->stop_ns_total += snapshot->stop_ns;
	gap_ns = later(gap_ns, (uint64_t)((double)snapshot->stop_ns * 100 / options->stop_percent));
	gap_ns = later(gap_ns, work_gap_ns(look, options, snapshot->work_ns));
	/* From when it stood still, not from when we had thought about it. */
	look->next_ns = snapshot->time_ns + gap_ns;
	keep(look, snapshot);
	look->last = is_kept(look, snapshot) ? snapshot : NULL;
}

void look_replay(struct look *look, struct heap_snapshot *snapshot, bool newest, bool census)
{
	struct heap_snapshot *old[] = {look->newest, look->census, snapshot};

	if (newest) {
		look->newest = snapshot;
		look->joined = true;
	}
	if (census)
		look->census = snapshot;
	free_others(look, old, sizeof(old) / sizeof(*old));
}

bool look_is_proof(const struct look *look)
{
	return look->newest && look->newest->complete && look->newest->known_until_ns;
}

int look_join(struct look *look, const struct ledger *ledger)
{
	if (!look->newest || look->joined)
		return 0;
	look->joined = true;
	return lost_evidence_take(&look->evidence, look->newest, ledger);
}
