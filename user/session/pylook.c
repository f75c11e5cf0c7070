// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/pylook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "verdict/verdict.h"

#define TYPES_MAX 4096

void pylook_init(struct pylook *look)
{
	*look = (struct pylook){0};
	map64_init(&look->by_address, hash_seed_random());
}

void pylook_done(struct pylook *look)
{
	heap_worker_cancel(look->worker);
	if (look->first != look->newest)
		pyheap_snapshot_free(look->first);
	pyheap_snapshot_free(look->newest);
	for (size_t i = 0; i < look->types.count; i++) {
		free(look->types.items[i]->name);
		free(look->types.items[i]);
	}
	vec_done(&look->types);
	vec_done(&look->evidence);
	map64_done(&look->by_address);
	pylook_init(look);
}

int pylook_start(struct pylook *look, const struct pyheap_options *options)
{
	look->error = pyheap_start(options, &look->worker);
	return look->error;
}

/* Each other point goes: of all types, so that they stay side by side. */
static void thin_out(struct pylook_type *type)
{
	size_t kept = 0;

	for (size_t i = 1; i < type->count; i += 2)
		type->points[kept++] = type->points[i];
	type->count = kept;
}

static void add_point(struct pylook_type *type, const struct object_point *point)
{
	if (type->count == PYLOOK_POINTS_MAX)
		thin_out(type);
	type->points[type->count++] = *point;
}

static int add_type(struct pylook *look, const struct pyheap_type *from, struct pylook_type **ret)
{
	struct pylook_type *type = calloc(1, sizeof(*type));

	if (!type)
		return -ENOMEM;
	type->address = from->address;
	type->name = strdup(from->name);
	if (!type->name || vec_push(&look->types, type)) {
		free(type->name);
		free(type);
		return -ENOMEM;
	}
	*ret = type;
	return map64_put(&look->by_address, from->address, look->types.count - 1) < 0 ? -ENOMEM : 0;
}

/* Another type may have come to an address. */
static int find_type(struct pylook *look, const struct pyheap_type *from, struct pylook_type **ret)
{
	uint64_t index;

	*ret = NULL;
	if (map64_get(&look->by_address, from->address, &index) &&
	    !strcmp(look->types.items[index]->name, from->name)) {
		*ret = look->types.items[index];
		return 0;
	}
	return look->types.count < TYPES_MAX ? add_type(look, from, ret) : 0;
}

static int take_points(struct pylook *look, const struct pyheap_snapshot *snapshot)
{
	int err = 0;

	for (size_t i = 0; !err && i < snapshot->type_count; i++) {
		const struct pyheap_type *t = &snapshot->types[i];
		struct object_point point = {
			.time_ns = snapshot->time_ns,
			.count = t->count,
			.bytes = t->pool_bytes,
			.overcounted = t->overcounted_itself,
			.circles = t->unreachable_count - t->overcounted_count,
		};
		struct pylook_type *type;

		err = find_type(look, t, &type);
		if (!err && type)
			add_point(type, &point);
	}
	/* Those of which there are none any more. */
	for (size_t i = 0; !err && i < look->types.count; i++) {
		struct pylook_type *type = look->types.items[i];
		struct object_point none = {.time_ns = snapshot->time_ns};

		if (type->points[type->count - 1].time_ns != snapshot->time_ns)
			add_point(type, &none);
	}
	return err;
}

static int list_evidence(struct pylook *look)
{
	int err = 0;

	vec_clear(&look->evidence);
	for (size_t i = 0; !err && i < look->types.count; i++) {
		const struct pylook_type *type = look->types.items[i];

		err = vec_push(&look->evidence,
			       (struct object_type){type->points, type->count, false});
	}
	return err;
}

void pylook_finish(struct pylook *look)
{
	struct pyheap_snapshot *snapshot = NULL, *old = look->newest;
	int err;

	look->error = pyheap_finish(look->worker, &snapshot);
	look->worker = NULL;
	if (look->error)
		return;
	look->looks++;
	look->stop_ns_total += snapshot->stop_ns;
	if (snapshot->stop_ns > look->stop_ns_max)
		look->stop_ns_max = snapshot->stop_ns;
	look->newest = snapshot;
	if (!look->first)
		look->first = snapshot;
	if (old && old != look->first)
		pyheap_snapshot_free(old);
	err = take_points(look, snapshot);
	if (!err)
		err = list_evidence(look);
	if (err) {
		vec_clear(&look->evidence);
		log_debug_err(err, "types of Python's objects are not compared");
	}
}

/* Only of what may be told soon: to ask is not cheap. */
static bool is_unplaced(const struct pylook_type *type, pylook_placed_fn placed, void *user)
{
	const struct object_point *last = &type->points[type->count - 1];

	return placed && last->overcounted + last->circles >= VERDICT_LEAK_BLOCKS &&
	       !placed(user, type->address);
}

bool pylook_evidence(struct pylook *look, pylook_placed_fn placed, void *user,
		     struct object_evidence *ret)
{
	if (!look->newest)
		return false;
	for (size_t i = 0; i < look->evidence.count; i++)
		look->evidence.items[i].unplaced = is_unplaced(look->types.items[i], placed, user);
	*ret = (struct object_evidence){
		.types = look->evidence.items,
		.type_count = look->evidence.count,
		.collects = look->newest->collector.enabled,
		.arena_bytes = look->newest->pools.arenas ? PYTHON_ARENA_BYTES : 0,
	};
	return true;
}

const char *pylook_error_text(int error)
{
	switch (error) {
	case -ESRCH:
		return "it ended";
	case -EPERM:
		return "it is traced by another program, or not ours to trace";
	case -EAGAIN:
		return "whenever it was looked at, its garbage collector was at work";
	case -ETIMEDOUT:
		return "a thread of it could not be stopped";
	case -EUCLEAN:
		return "its lists of objects contradict themselves";
	case -ECANCELED:
		return "the stop took too long";
	case -ENOSPC:
		return "it holds more than --memory allows to copy";
	default:
		return strerror(-error);
	}
}
