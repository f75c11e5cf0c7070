// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/lost.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "verdict/estimate.h"
#include "verdict/verdict.h"

#define NS          1e9
#define EXACT_BELOW 30
#define SPREAD_FROM 6 /* looks with a rate of their own */
#define BURSTY_FROM \
	4 /* fewer tell a spread, too, if it is so many times what single blocks would make it */
/*
 * A site whose samples stand for less than this part of what was lost is no answer for the rest: a sampled block may
 * have been freed unseen, and what lies in its place be another's.
 */
#define SHARE_LEAST 0.1

void lost_evidence_init(struct lost_evidence *evidence)
{
	memset(evidence, 0, sizeof(*evidence));
	map64_init(&evidence->by_site, hash_seed_random());
}

void lost_evidence_done(struct lost_evidence *evidence)
{
	for (size_t i = 0; i < evidence->entries.count; i++)
		free(evidence->entries.items[i].class_name);
	vec_done(&evidence->entries);
	vec_done(&evidence->blocks);
	vec_done(&evidence->samples);
	map64_done(&evidence->by_site);
}

static bool is_same_type(const struct lost_entry *entry, const struct heap_type *type,
			 uint64_t size_bytes)
{
	return !entry->site && entry->kind == type->kind && entry->size_bytes == size_bytes &&
	       !strcmp(entry->class_name, type->name);
}

/* Keys of types are odd numbers beyond those of sites, so that the two never meet. */
static uint64_t type_key(const struct lost_evidence *evidence, const struct heap_type *type,
			 uint64_t size_bytes)
{
	uint64_t hash = hash_bytes(type->name, strlen(type->name), evidence->by_site.seed);

	return hash_u64(hash ^ size_bytes << 3 ^ (uint64_t)type->kind, hash) | 1ULL << 63;
}

static int find_entry(struct lost_evidence *evidence, site_id site, const struct heap_type *type,
		      uint64_t size_bytes, uint32_t *ret)
{
	uint64_t key = site ? site : type_key(evidence, type, size_bytes), at;
	struct lost_entry entry = {.site = site,
				   .kind = type->kind,
				   .size_bytes = size_bytes,
				   .oldest_ns = UINT64_MAX};

	for (; map64_get(&evidence->by_site, key, &at); key++)
		if (site || is_same_type(&evidence->entries.items[at], type, size_bytes)) {
			*ret = (uint32_t)at;
			return 0;
		}
	entry.class_name = strdup(type->name);
	if (!entry.class_name || vec_push(&evidence->entries, entry) < 0) {
		free(entry.class_name);
		return -ENOMEM;
	}
	*ret = (uint32_t)evidence->entries.count - 1;
	return map64_put(&evidence->by_site, key, *ret);
}

/* Not every call of every site is seen. */
static bool has_windows(const struct ledger *ledger)
{
	struct ledger_counts counts;

	ledger_counts(ledger, &counts);
	return counts.windows > 0;
}

/* One more like @one, of a type of blocks of so many bytes. */
static int count_sample(struct lost_evidence *evidence, const struct heap_type *type,
			const struct lost_sample *one)
{
	struct lost_sample *known = NULL;
	uint32_t entry;
	int err = find_entry(evidence, 0, type, one->usable_bytes, &entry);

	for (size_t i = 0; !err && i < evidence->samples.count; i++) {
		struct lost_sample *s = &evidence->samples.items[i];

		if (s->type_entry == entry && s->site_entry == one->site_entry)
			known = s;
	}
	if (err)
		return err;
	if (!known) {
		err = vec_push(&evidence->samples, *one);
		if (!err)
			evidence->samples.items[evidence->samples.count - 1].type_entry = entry;
		return err;
	}
	known->count++;
	known->weight += one->weight;
	known->asked_bytes += one->asked_bytes;
	known->usable_bytes += one->usable_bytes;
	return 0;
}

/* A block that is confirmed as lost for the first time. */
static int take_block(struct lost_evidence *evidence, const struct heap_snapshot *snapshot,
		      const struct heap_lost *lost, const struct ledger *ledger,
		      struct lost_block *ret)
{
	struct allocation traced = {.time_ns = lost->first_ns};
	site_id site = ledger && !ledger_find(ledger, lost->address, &traced) ? traced.site : 0;
	struct lost_entry *entry;
	int err = find_entry(evidence, site, &snapshot->types[lost->type], lost->size_bytes,
			     &ret->entry);

	if (err)
		return err;
	ret->address = lost->address;
	/* What a program asked for, where that is known; else what it may use, as of a request for nothing. */
	ret->size_bytes = site && traced.size_bytes ? traced.size_bytes : lost->size_bytes;
	entry = &evidence->entries.items[ret->entry];
	if (traced.time_ns < entry->oldest_ns)
		entry->oldest_ns = traced.time_ns;
	if (lost->first_ns <= evidence->first_look_ns)
		return 0;
	if (!entry->fresh_count)
		entry->onset = (struct lost_onset){.known_until_ns = evidence->known_until_ns,
						   .fresh_looks = evidence->fresh_looks,
						   .second_squares = evidence->second_squares};
	entry->fresh_count++;
	entry->fresh_bytes += ret->size_bytes;
	entry->fresh_squares += (double)ret->size_bytes * (double)ret->size_bytes;
	entry->unchanged_count += lost->unchanged;
	entry->look_bytes += ret->size_bytes;
	entry->last_fresh_ns = lost->first_ns;
	if (!site || !has_windows(ledger))
		return 0;
	return count_sample(evidence, &snapshot->types[lost->type],
			    &(struct lost_sample){
				    .site_entry = ret->entry,
				    .followed = ledger_site(ledger, site)->followed,
				    .count = 1,
				    .weight = traced.weight,
				    .asked_bytes = ret->size_bytes,
				    .usable_bytes = lost->size_bytes,
			    });
}

static void count_returned(struct lost_evidence *evidence, const struct lost_block *block)
{
	evidence->entries.items[block->entry].returned++;
}

/* More are not asked about at every look: that takes half a microsecond each. */
#define ASKED_MAX 65536

/*
 * Has another block taken its place? Its own was freed then, although nothing seemed to refer to it: where blocks come
 * and go fast, the next one of the same size, often with the same content, lies there.
 */
static bool is_replaced(const struct lost_evidence *evidence, const struct ledger *ledger,
			uint64_t address, uint64_t first_ns)
{
	struct allocation traced;

	return ledger && evidence->blocks.count <= ASKED_MAX &&
	       !ledger_find(ledger, address, &traced) && traced.time_ns > first_ns;
}

/* A confirmed loss of the snapshot: known by now, or new. 1: it is to be kept; 0; -ENOMEM. */
static int merge_block(struct lost_evidence *evidence, const struct heap_snapshot *snapshot,
		       const struct heap_lost *lost, const struct ledger *ledger, size_t *k)
{
	struct lost_blocks *known = &evidence->blocks;
	bool replaced = is_replaced(evidence, ledger, lost->address, lost->first_ns);
	struct lost_block block = {.first_ns = lost->first_ns};
	int err = 0;

	while (*k < known->count && known->items[*k].address < lost->address)
		count_returned(evidence, &known->items[(*k)++]);
	if (*k < known->count && known->items[*k].address == lost->address) {
		block = known->items[(*k)++];
		if (replaced)
			count_returned(evidence, &block);
	} else if (!replaced) {
		err = take_block(evidence, snapshot, lost, ledger, &block);
	}
	block.indirect = lost->indirect;
	block.held = lost->held;
	if (err || replaced)
		return err;
	evidence->merged = block;
	return 1;
}

/* The blocks known before and those of the snapshot, side by side. */
static int merge(struct lost_evidence *evidence, const struct heap_snapshot *snapshot,
		 const struct ledger *ledger, struct lost_blocks *ret)
{
	size_t k = 0;

	for (size_t i = 0; i < snapshot->lost_total; i++) {
		int err;

		if (!snapshot->lost[i].confirmed)
			continue;
		err = merge_block(evidence, snapshot, &snapshot->lost[i], ledger, &k);
		if (err > 0)
			err = vec_push(ret, evidence->merged);
		if (err < 0)
			return err;
	}
	while (k < evidence->blocks.count)
		count_returned(evidence, &evidence->blocks.items[k++]);
	return 0;
}

static void count_now(struct lost_evidence *evidence, double seconds)
{
	for (size_t i = 0; i < evidence->entries.count; i++) {
		struct lost_entry *entry = &evidence->entries.items[i];

		entry->look_squares += (double)entry->look_bytes * (double)entry->look_bytes;
		entry->look_products += (double)entry->look_bytes * seconds;
		entry->fresh_looks += entry->look_bytes > 0;
		entry->look_bytes = 0;
		entry->count = entry->bytes = entry->indirect_count = 0;
	}
	for (size_t i = 0; i < evidence->blocks.count; i++) {
		const struct lost_block *block = &evidence->blocks.items[i];
		struct lost_entry *entry = &evidence->entries.items[block->entry];

		if (block->held)
			continue;
		entry->count++;
		entry->bytes += block->size_bytes;
		entry->indirect_count += block->indirect;
	}
}

/* Time in which losses were fresh and are confirmed by now. */
static double known_seconds(const struct lost_evidence *evidence)
{
	return evidence->known_until_ns > evidence->first_look_ns
		       ? (double)(evidence->known_until_ns - evidence->first_look_ns) / NS
		       : 0;
}

static void keep_reading(struct lost_evidence *evidence, const struct heap_snapshot *snapshot)
{
	struct heap_reading *reading;

	if (!evidence->reading_step)
		evidence->reading_step = 1;
	if (evidence->reading_skip++ % evidence->reading_step)
		return;
	if (evidence->reading_count == HEAP_READINGS_MAX) {
		for (size_t i = 0; i < HEAP_READINGS_MAX / 2; i++)
			evidence->readings[i] = evidence->readings[2 * i];
		evidence->reading_count = HEAP_READINGS_MAX / 2;
		evidence->reading_step *= 2;
	}
	reading = &evidence->readings[evidence->reading_count++];
	reading->time_ns = snapshot->time_ns;
	reading->live_bytes = snapshot->live_bytes;
	reading->free_bytes = snapshot->free_bytes;
	memcpy(reading->live_by_size, snapshot->live_by_size, sizeof(reading->live_by_size));
}

int lost_evidence_take(struct lost_evidence *evidence, const struct heap_snapshot *snapshot,
		       const struct ledger *ledger)
{
	struct lost_blocks blocks = VEC_INIT;
	double seconds = known_seconds(evidence);
	int err;

	if (!snapshot->complete)
		return 0;
	if (!evidence->looks)
		evidence->first_look_ns = snapshot->time_ns;
	err = merge(evidence, snapshot, ledger, &blocks);
	if (err) {
		vec_done(&blocks);
		return err;
	}
	vec_done(&evidence->blocks);
	evidence->blocks = blocks;
	evidence->known_until_ns = snapshot->known_until_ns;
	evidence->looks++;
	seconds = known_seconds(evidence) - seconds;
	if (seconds > 0) {
		evidence->fresh_looks++;
		evidence->second_squares += seconds * seconds;
	}
	count_now(evidence, seconds);
	keep_reading(evidence, snapshot);
	return 0;
}

/* A part of @from goes to @to, as far as it can be told by proportion. @asked: bytes that were asked for, of those that
 * such blocks have. */
static void add_part(const struct lost_entry *from, double part, double asked,
		     struct lost_entry *to)
{
	if (!to->fresh_count || from->onset.known_until_ns < to->onset.known_until_ns)
		to->onset = from->onset;
	to->count += (uint64_t)llround(part * (double)from->count);
	to->bytes += (uint64_t)llround(part * asked * (double)from->bytes);
	to->indirect_count += (uint64_t)llround(part * (double)from->indirect_count);
	to->fresh_count += (uint64_t)llround(part * (double)from->fresh_count);
	to->fresh_bytes += (uint64_t)llround(part * asked * (double)from->fresh_bytes);
	to->unchanged_count += (uint64_t)llround(part * (double)from->unchanged_count);
	to->fresh_squares += part * asked * asked * from->fresh_squares;
	to->look_squares += part * part * asked * asked * from->look_squares;
	to->look_products += part * asked * from->look_products;
	to->returned += from->returned;
	if (from->fresh_looks > to->fresh_looks)
		to->fresh_looks = from->fresh_looks;
	if (from->last_fresh_ns > to->last_fresh_ns)
		to->last_fresh_ns = from->last_fresh_ns;
	if (from->oldest_ns < to->oldest_ns)
		to->oldest_ns = from->oldest_ns;
}

/* A request of one size gets blocks of two: glibc leaves a piece that is too small to stand alone with its neighbour. */
#define SAME_REQUEST_BYTES 16

/* May @sample tell where lost blocks of @type come from? Those that are no objects look different by what they hold. */
static bool is_alike(const struct lost_entry *type, const struct lost_entry *sample)
{
	return type->kind != HEAP_CLASS && sample->kind != HEAP_CLASS &&
	       type->size_bytes - sample->size_bytes + SAME_REQUEST_BYTES <= 2 * SAME_REQUEST_BYTES;
}

/* The samples by which a type is shared out: its own; where it has none, those of types that are alike. */
struct share {
	const struct lost_evidence *evidence;
	const struct ledger *ledger;
	size_t type;
	bool alike;
	uint64_t all;
	bool others_lose; /* calls that are followed, and are not those of a sample's site */
	double lost;      /* fresh ones that were not sampled */
	double counting_weight;
};

static bool has_part(const struct share *share, const struct lost_sample *s)
{
	const struct lost_entry *entries = share->evidence->entries.items;

	return s->type_entry == share->type ||
	       (share->alike && is_alike(&entries[share->type], &entries[s->type_entry]));
}

static bool counts(const struct share *share, const struct lost_sample *s)
{
	return has_part(share, s) && !s->followed &&
	       (s->count > 1 || (share->all == 1 && !share->others_lose)) &&
	       s->weight >= SHARE_LEAST * share->lost;
}

/* Does a site that was sampled go on as that of the followed call? */
static bool is_heir(const struct share *share, const struct lost_sample *followed)
{
	const struct lost_entry *entries = share->evidence->entries.items;
	const struct lost_samples *samples = &share->evidence->samples;

	for (size_t i = 0; i < samples->count; i++)
		if (!samples->items[i].followed && has_part(share, &samples->items[i]) &&
		    ledger_heir(share->ledger, entries[samples->items[i].site_entry].site) ==
			    entries[followed->site_entry].site)
			return true;
	return false;
}

static void sum_samples(struct share *share)
{
	const struct lost_samples *samples = &share->evidence->samples;

	share->all = 0;
	share->others_lose = false;
	share->counting_weight = 0;
	for (size_t i = 0; i < samples->count; i++) {
		const struct lost_sample *s = &samples->items[i];

		if (!has_part(share, s))
			continue;
		if (s->followed)
			share->others_lose |= s->count > 1 && !is_heir(share, s);
		else
			share->all += s->count;
	}
	for (size_t i = 0; i < samples->count; i++)
		if (counts(share, &samples->items[i]))
			share->counting_weight += samples->items[i].weight;
}

static void empty(struct lost_entry *entry)
{
	entry->count = entry->bytes = entry->fresh_count = entry->fresh_bytes = 0;
	entry->returned = 0;
}

static void share_out(const struct lost_evidence *evidence, const struct ledger *ledger,
		      size_t type, struct lost_entry *ret)
{
	const struct lost_entry from = ret[type];
	struct share share = {.evidence = evidence,
			      .ledger = ledger,
			      .type = type,
			      .lost = (double)from.fresh_count};

	sum_samples(&share);
	if (!share.all) {
		share.alike = true;
		sum_samples(&share);
	}
	for (size_t i = 0; i < evidence->samples.count; i++) {
		const struct lost_sample *s = &evidence->samples.items[i];
		struct lost_entry *to = &ret[s->site_entry];

		if (!counts(&share, s))
			continue;
		add_part(&from, s->weight / share.counting_weight,
			 (double)s->asked_bytes / (double)s->usable_bytes, to);
		if (share.alike)
			continue; /* they were counted with their own type */
		to->samples += share.all;
		to->sampled += s->count;
	}
	if (share.counting_weight <= 0)
		return;
	empty(&ret[type]);
}

static void leave_to_heir(const struct lost_evidence *evidence, const struct ledger *ledger,
			  size_t entry, struct lost_entry *ret)
{
	site_id heir = ret[entry].site ? ledger_heir(ledger, ret[entry].site) : 0;
	uint64_t at;

	if (!heir || !map64_get(&evidence->by_site, heir, &at))
		return;
	add_part(&ret[entry], 1, 1, &ret[at]);
	ret[at].samples += ret[entry].samples;
	ret[at].sampled += ret[entry].sampled;
	empty(&ret[entry]);
}

void lost_evidence_share(const struct lost_evidence *evidence, const struct ledger *ledger,
			 struct lost_entry *ret)
{
	if (!evidence->entries.count)
		return;
	memcpy(ret, evidence->entries.items, evidence->entries.count * sizeof(*ret));
	for (size_t i = 0; evidence->samples.count && i < evidence->entries.count; i++)
		if (!evidence->entries.items[i].site)
			share_out(evidence, ledger, i, ret);
	for (size_t i = 0; ledger && i < evidence->entries.count; i++)
		leave_to_heir(evidence, ledger, i, ret);
}

/* Two-sided 95 % quantile of Student's t (Hill 1970, to the first term that matters). */
static double student(double degrees)
{
	return VERDICT_Z + (pow(VERDICT_Z, 3) + VERDICT_Z) / (4 * degrees) +
	       (5 * pow(VERDICT_Z, 5) + 16 * pow(VERDICT_Z, 3) + 3 * VERDICT_Z) /
		       (96 * degrees * degrees);
}

/* The time and the looks over which a rate is told. */
struct lost_span {
	double seconds, looks, second_squares;
};

/*
 * Since the first look, or since the losses began: a leak that begins after a watch of hours is no slower for that. They began
 * late if nothing was lost before for so long as would be chance no more, with the distances that they have since.
 */
static struct lost_span span_of(const struct lost_evidence *evidence,
				const struct lost_entry *entry)
{
	const struct lost_onset *onset = &entry->onset;
	struct lost_span span = {known_seconds(evidence), (double)evidence->fresh_looks,
				 evidence->second_squares};
	double silent, since;

	if (onset->known_until_ns <= evidence->first_look_ns ||
	    entry->fresh_count < VERDICT_LEAK_BLOCKS || entry->fresh_looks < VERDICT_LEAK_LOOKS)
		return span;
	silent = (double)(onset->known_until_ns - evidence->first_look_ns) / NS;
	since = span.seconds - silent;
	if (since <= 0 || silent <= VERDICT_LEAK_PAUSE * since / (double)entry->fresh_looks)
		return span;
	return (struct lost_span){since, span.looks - (double)onset->fresh_looks,
				  span.second_squares - onset->second_squares};
}

/* How the looks differ from what the rate would make them: squares of bytes, over all. */
static double look_residuals(const struct lost_span *span, const struct lost_entry *entry,
			     double rate)
{
	return fmax(0, entry->look_squares - 2 * rate * entry->look_products +
			       rate * rate * span->second_squares);
}

static bool tells_spread(const struct lost_span *span, const struct lost_entry *entry, double rate)
{
	double looks = span->looks;

	if (looks >= SPREAD_FROM)
		return true;
	return looks > 1 && look_residuals(span, entry, rate) / (looks - 1) >
				    BURSTY_FROM * entry->fresh_squares / looks;
}

/* Half the interval, by how much the looks differ: of a ratio of sums (Cochran 1977, 2.11). */
static double spread(const struct lost_span *span, const struct lost_entry *entry, double rate)
{
	double looks = span->looks, squares = look_residuals(span, entry, rate);
	/* A loss on the border of two looks may fall into either. */
	double border = (double)entry->fresh_bytes / (double)entry->fresh_count;

	return (student(looks - 1) * sqrt(squares * looks / (looks - 1)) + border) / span->seconds;
}

struct lost_rate lost_evidence_rate(const struct lost_evidence *evidence,
				    const struct lost_entry *entry)
{
	struct lost_span span = span_of(evidence, entry);
	double seconds = span.seconds, low, high, wide;
	struct lost_rate rate = {0};

	if (seconds <= 0 || !entry->fresh_count)
		return rate;
	rate.bytes_per_second = (double)entry->fresh_bytes / seconds;
	rate.blocks_per_second = (double)entry->fresh_count / seconds;
	wide = VERDICT_Z * sqrt(entry->fresh_squares) / seconds;
	low = rate.bytes_per_second - wide;
	high = rate.bytes_per_second + wide;
	if (entry->fresh_count < EXACT_BELOW) {
		estimate_poisson_factors((double)entry->fresh_count, &low, &high);
		low *= rate.bytes_per_second;
		high *= rate.bytes_per_second;
	}
	if (tells_spread(&span, entry, rate.bytes_per_second)) {
		wide = spread(&span, entry, rate.bytes_per_second);
		/* It went on in so many looks: that much is sure, however they differ. */
		estimate_poisson_factors((double)entry->fresh_looks, &low, &high);
		low = fmax(low * rate.bytes_per_second, rate.bytes_per_second - wide);
		high = rate.bytes_per_second + wide;
	}
	rate.low = fmax(0, low);
	rate.high = high;
	if (entry->samples) {
		/* And that of the share by which it was told (Wilson 1927). */
		rate.low *= estimate_share_low((double)entry->sampled, (double)entry->samples) *
			    (double)entry->samples / (double)entry->sampled;
		rate.high = fmax(rate.high, rate.bytes_per_second);
	}
	return rate;
}
