/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/ledger/memory_bound.h"

struct value {
	uint64_t min_bytes, bytes;
};

/* One site's points: capacity values, then as many window numbers, in one piece. */
struct track {
	struct value *values;
	uint8_t count, capacity;
};

struct series {
	struct memory_bound memory;
	struct track *tracks; /* [site - 1] */
	size_t track_count, track_capacity;
	uint64_t time_ns[SERIES_MAX_POINTS]; /* end of each window */
	unsigned int window_count;
	uint64_t samples_per_window, samples_in_last; /* of the last window, so far */
	uint64_t samples, sites, points, refused;
	bool too_big; /* memory ran out: halve when the next window begins */
};

static uint8_t *windows_of(const struct track *track)
{
	return (uint8_t *)(track->values + track->capacity);
}

/* What malloc takes for a track of @capacity points. */
static uint64_t track_bytes(size_t capacity)
{
	return capacity ? ((capacity * (sizeof(struct value) + 1) + 8 + 15) & ~UINT64_C(15)) : 0;
}

int series_new(uint64_t memory_bytes, struct series **ret)
{
	struct series *series = calloc(1, sizeof(*series));

	if (!series)
		return -ENOMEM;
	series->memory.limit_bytes = memory_bytes;
	series->samples_per_window = 1;
	if (!memory_take(&series->memory, sizeof(*series))) {
		free(series);
		return -ENOSPC;
	}
	*ret = series;
	return 0;
}

void series_free(struct series *series)
{
	if (!series)
		return;
	for (size_t i = 0; i < series->track_count; i++)
		free(series->tracks[i].values);
	free(series->tracks);
	free(series);
}

int series_copy(const struct series *series, struct series **ret)
{
	struct series *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *series;
	copy->track_count = 0;
	copy->tracks = calloc(series->track_count + 1, sizeof(*copy->tracks));
	if (!copy->tracks)
		goto fail;
	copy->track_capacity = series->track_count + 1;
	for (size_t i = 0; i < series->track_count; i++) {
		const struct track *track = &series->tracks[i];
		size_t bytes = track->capacity * (sizeof(struct value) + 1);

		copy->tracks[i] = *track;
		if (bytes) {
			copy->tracks[i].values = malloc(bytes);
			if (!copy->tracks[i].values)
				goto fail;
			memcpy(copy->tracks[i].values, track->values, bytes);
		}
		copy->track_count++;
	}
	*ret = copy;
	return 0;

fail:
	series_free(copy);
	return -ENOMEM;
}

/* Gives the track another capacity, not less than its count. */
static int track_resize(struct series *series, struct track *track, size_t capacity)
{
	struct track moved = {.count = track->count, .capacity = (uint8_t)capacity};

	if (!memory_take(&series->memory, track_bytes(capacity)))
		return -ENOSPC;
	moved.values = malloc(capacity * (sizeof(struct value) + 1));
	if (!moved.values) {
		memory_give(&series->memory, track_bytes(capacity));
		return -ENOMEM;
	}
	if (track->count) {
		memcpy(moved.values, track->values, track->count * sizeof(struct value));
		memcpy(windows_of(&moved), windows_of(track), track->count);
	}
	memory_give(&series->memory, track_bytes(track->capacity));
	free(track->values);
	*track = moved;
	return 0;
}

/*
 * Windows 2i and 2i + 1 become window i. In place: a point never moves towards the end. A window without a
 * point needs no care: the minimum of the one behind it counts from the value that was held then.
 */
static void track_halve(struct series *series, struct track *track)
{
	uint8_t *windows = windows_of(track);
	uint8_t kept = 0;

	for (uint8_t i = 0; i < track->count; i++) {
		struct value value = track->values[i];
		uint8_t window = windows[i];

		if (kept && windows[kept - 1] == window / 2) {
			struct value *first = &track->values[kept - 1];

			if (first->min_bytes > value.min_bytes)
				first->min_bytes = value.min_bytes;
			first->bytes = value.bytes;
		} else {
			track->values[kept] = value;
			windows[kept++] = window / 2;
		}
	}
	series->points -= track->count - kept;
	track->count = kept;
	if (track->capacity > 4 && kept <= track->capacity / 2)
		track_resize(series, track, kept); /* without memory it stays as it is */
}

static void halve(struct series *series)
{
	for (size_t i = 0; i < series->track_count; i++) {
		if (series->tracks[i].count)
			track_halve(series, &series->tracks[i]);
	}
	for (unsigned int i = 0; i < series->window_count; i += 2) {
		unsigned int last = i + 1 < series->window_count ? i + 1 : i;

		series->time_ns[i / 2] = series->time_ns[last];
	}
	series->window_count = (series->window_count + 1) / 2;
	series->samples_per_window *= 2;
	series->too_big = false;
}

static int track_put(struct series *series, struct track *track, const struct value *value)
{
	uint8_t window = (uint8_t)(series->window_count - 1);

	if (!track->count || windows_of(track)[track->count - 1] != window) {
		if (track->count == track->capacity) {
			size_t more = track->capacity + track->capacity / 2 + 1;
			int err = track_resize(series, track,
					       more < SERIES_MAX_POINTS ? more : SERIES_MAX_POINTS);

			if (err)
				return err;
		}
		series->sites += !track->count;
		series->points++;
		windows_of(track)[track->count++] = window;
	}
	track->values[track->count - 1] = *value;
	return 0;
}

static int reserve_tracks(struct series *series, size_t count)
{
	size_t capacity = series->track_capacity + series->track_capacity / 4;
	struct track *tracks;
	uint64_t bytes;

	if (count > series->track_capacity) {
		if (capacity < count + 15)
			capacity = count + 15;
		bytes = (capacity - series->track_capacity) * sizeof(*tracks);
		if (!memory_take(&series->memory, bytes))
			return -ENOSPC;
		tracks = realloc(series->tracks, capacity * sizeof(*tracks));
		if (!tracks) {
			memory_give(&series->memory, bytes);
			return -ENOMEM;
		}
		series->tracks = tracks;
		series->track_capacity = capacity;
	}
	if (count > series->track_count) {
		memset(&series->tracks[series->track_count], 0,
		       (count - series->track_count) * sizeof(*series->tracks));
		series->track_count = count;
	}
	return 0;
}

static struct value value_of(const struct ledger *ledger, site_id id,
			     const struct ledger_estimate *estimates)
{
	const struct call_site *site = ledger_site(ledger, id);
	struct value value = {ledger_window_min(ledger, id), site->outstanding_bytes};
	double scale;

	if (!estimates || site->followed || !site->outstanding_bytes)
		return value;
	scale = estimates[id - 1].outstanding_bytes / (double)site->outstanding_bytes;
	value.min_bytes = (uint64_t)(scale * (double)value.min_bytes);
	value.bytes = (uint64_t)(scale * (double)value.bytes);
	return value;
}

static int take_changes(struct series *series, const struct ledger *ledger,
			const struct ledger_estimate *estimates)
{
	const site_id *ids;
	size_t count = ledger_changed_sites(ledger, &ids);
	int result = reserve_tracks(series, ledger_site_count(ledger));

	for (size_t i = 0; i < count; i++) {
		struct value value = value_of(ledger, ids[i], estimates);
		int err = ids[i] <= series->track_count
				  ? track_put(series, &series->tracks[ids[i] - 1], &value)
				  : result;

		if (err) {
			series->refused++;
			result = err;
		}
	}
	if (result)
		series->too_big = true;
	return result;
}

int series_sample(struct series *series, struct ledger *ledger,
		  const struct ledger_estimate *estimates, uint64_t time_ns)
{
	unsigned int last = series->window_count - 1;
	int err;

	if (series->window_count && time_ns <= series->time_ns[last])
		return -EINVAL;
	if (!series->window_count || series->samples_in_last == series->samples_per_window) {
		if (series->window_count == SERIES_MAX_POINTS ||
		    (series->too_big && series->window_count > 2))
			halve(series);
		last = series->window_count++;
		series->samples_in_last = 0;
	}
	series->time_ns[last] = time_ns;
	series->samples++;
	series->samples_in_last++;
	err = take_changes(series, ledger, estimates);
	if (series->samples_in_last == series->samples_per_window)
		ledger_begin_window(ledger);
	return err;
}

size_t series_read(const struct series *series, site_id site,
		   struct series_point ret[SERIES_MAX_POINTS])
{
	const struct track *track;
	uint64_t bytes = 0;
	uint8_t next = 0;
	size_t count = 0;

	if (!site || site > series->track_count || !series->tracks[site - 1].count)
		return 0;
	track = &series->tracks[site - 1];
	for (unsigned int i = windows_of(track)[0]; i < series->window_count; i++) {
		struct series_point *point = &ret[count++];

		*point = (struct series_point){series->time_ns[i], bytes, bytes};
		if (next < track->count && windows_of(track)[next] == i) {
			point->min_bytes = track->values[next].min_bytes;
			point->bytes = bytes = track->values[next++].bytes;
		}
	}
	return count;
}

void series_counts(const struct series *series, struct series_counts *ret)
{
	*ret = (struct series_counts){.samples = series->samples,
				      .samples_per_window = series->samples_per_window,
				      .windows = series->window_count,
				      .sites = series->sites,
				      .points = series->points,
				      .refused = series->refused,
				      .memory_bytes = series->memory.used_bytes};
}
