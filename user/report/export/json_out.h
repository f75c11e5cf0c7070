/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes JSON (RFC 8259) into a sink, piece by piece. No tree, no memory of its own.
 *
 * Commas and escapes are taken care of; that begin and end pair is the caller's duty. Names are
 * literals of ours. Bytes that are not UTF-8 become U+FFFD; numbers that are not finite become 0;
 * doubles are written in the shortest form that reads back to the same value.
 */
#ifndef HOLDFAST_EXPORT_JSON_OUT_H
#define HOLDFAST_EXPORT_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "report/export/sink.h"

#define JSON_OUT_MAX_DEPTH 32

struct json_out {
	struct sink *sink;
	uint32_t depth;
	uint32_t filled; /* bit per level: something stands there already */
	uint32_t lines;  /* levels less deep than this put each element on a line of its own */
};

void json_out_init(struct json_out *json, struct sink *sink, uint32_t lines);

/* @name: NULL inside an array. */
void json_out_begin_object(struct json_out *json, const char *name);
void json_out_end_object(struct json_out *json);
void json_out_begin_array(struct json_out *json, const char *name);
void json_out_end_array(struct json_out *json);
void json_out_string(struct json_out *json, const char *name, const char *text);
/* Numbers above INT64_MAX, which readers would refuse, are written as INT64_MAX. */
void json_out_u64(struct json_out *json, const char *name, uint64_t number);
void json_out_int(struct json_out *json, const char *name, int64_t number);
void json_out_double(struct json_out *json, const char *name, double number);
void json_out_bool(struct json_out *json, const char *name, bool value);
void json_out_null(struct json_out *json, const char *name);
/* A value that is JSON already; ours, so it is not looked at. */
void json_out_raw(struct json_out *json, const char *name, const char *text);
/* The members of such an object, "{...}" without blanks around it, into the one that was begun. */
void json_out_members(struct json_out *json, const char *object);

#endif
