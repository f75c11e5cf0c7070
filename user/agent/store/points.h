/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points of a series: put in order, rolled up, thinned, written as bytes. Pure functions on arrays.
 *
 * The bytes (before packing): version, count, width, number of columns; the times as the second difference; then column by
 * column the differences between neighbours, without the bits that are zero in all of a column (pages!). All numbers
 * LEB128, differences zigzag.
 */
#ifndef HOLDFAST_AGENT_STORE_POINTS_H
#define HOLDFAST_AGENT_STORE_POINTS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/store/samples.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define POINTS_MAX_IN_BLOB 512

VEC_STRUCT(point_vec, struct store_point);

struct store_point points_of_sample(const struct store_sample *sample);

/* By time, equal ones in their order; then those of one time are one. -ENOMEM: as it was. */
int points_arrange(struct point_vec *points);
/* Of arranged points: one for each window of @width_ns, counted from the epoch. */
void points_roll_up(struct point_vec *points, uint64_t width_ns);
/* Of arranged points: at most @max (> 0), over equal spans of time. */
void points_thin(struct point_vec *points, size_t max);

/* Appends 1 to POINTS_MAX_IN_BLOB arranged points of one width. */
int points_encode(const struct store_point *points, size_t count, struct strbuf *out);
/* Appends to @points, as they were encoded. -EBADMSG: not such bytes, @points as it was. */
int points_decode(const struct strbuf *bytes, struct point_vec *points);

/* One sample, in the form that is not packed: appended, and read back. */
int points_encode_values(const struct store_values *values, struct strbuf *out);
struct cursor;
int points_decode_values(struct cursor *cursor, struct store_values *ret_values);

#endif
