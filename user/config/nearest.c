/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "config/options.h"

#define NAME_MAX_LEN 48

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours, each 1. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NAME_MAX_LEN + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			now[j] = least(now[j], least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

/* The only name that `typed` begins. */
static const char *only_completion(const char *typed, const char *const *names, size_t count)
{
	const char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		if (strncmp(names[i], typed, strlen(typed)) != 0)
			continue;
		if (found)
			return NULL;
		found = names[i];
	}
	return found;
}

const char *nearest_name(const char *typed, const char *const *names, size_t count)
{
	size_t len = strlen(typed), best_distance = NAME_MAX_LEN;
	const char *best = only_completion(typed, names, count);

	if (!len || len > NAME_MAX_LEN)
		return NULL;
	if (best)
		return best;
	for (size_t i = 0; i < count; i++) {
		size_t name_len = strlen(names[i]), distance;

		if (name_len > NAME_MAX_LEN)
			continue;
		distance = edit_distance(typed, len, names[i], name_len);
		/* at least one error must be allowed in short names, but not in one-letter ones */
		if (distance < best_distance && distance <= (len < 3 ? len / 2 : (len + 2) / 3)) {
			best_distance = distance;
			best = names[i];
		}
	}
	return best;
}
