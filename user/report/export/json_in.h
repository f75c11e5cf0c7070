/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes checked values out of a foreign JSON tree into a report store.
 *
 * A member that is missing or null gives the zero of its type ("" for texts): readers of later
 * and earlier writers must get along. One of the wrong type or range sets the sticky `bad`,
 * naming the member; what is read after that is zero as well. So read a whole object and look at
 * `bad` once.
 */
#ifndef HOLDFAST_EXPORT_JSON_IN_H
#define HOLDFAST_EXPORT_JSON_IN_H

#include <jansson.h>

#include "report/store.h"

struct json_in {
	struct report_store *store;
	const char *bad; /* name of the first offending member; NULL: none */
	bool out_of_memory;
};

bool json_in_failed(const struct json_in *in);
void json_in_fail(struct json_in *in, const char *name);

/* An object or array member; an empty one of that type where it is missing. Borrowed. */
const json_t *json_in_object(struct json_in *in, const json_t *parent, const char *name);
const json_t *json_in_array(struct json_in *in, const json_t *parent, const char *name);

const char *json_in_text(struct json_in *in, const json_t *object, const char *name);
uint64_t json_in_u64(struct json_in *in, const json_t *object, const char *name);
int json_in_pid(struct json_in *in, const json_t *object, const char *name);
double json_in_double(struct json_in *in, const json_t *object, const char *name);
bool json_in_bool(struct json_in *in, const json_t *object, const char *name);
/* An array of two numbers. */
void json_in_interval(struct json_in *in, const json_t *object, const char *name, double *ret_low,
		      double *ret_high);
/* "0x1f", or a number. */
uint64_t json_in_address(struct json_in *in, const json_t *object, const char *name);

/* @value itself, of the wrong type: fails, naming @name. */
uint64_t json_in_number(struct json_in *in, const json_t *value, const char *name);
const char *json_in_string(struct json_in *in, const json_t *value, const char *name);

/* Zeroed room for json_array_size(array) elements; NULL after a failure, which is set. */
void *json_in_room(struct json_in *in, const json_t *array, size_t element_bytes);

#endif
