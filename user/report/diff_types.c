/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed between two reports by type. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/saturate.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "report/diff.h"

struct types {
	VEC(struct diff_type) items;
	struct strmap by_name; /* language, size and name -> index + 1 */
};

/* @like: of which type; adds @amount to one side of it. */
static int add_type(struct types *types, const struct diff_type *like, bool second,
		    struct diff_type_side amount)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	struct diff_type_side *side;
	uintptr_t at;

	strbuf_addf(&name, "%d %lu ", like->python, (unsigned long)like->size);
	strbuf_addstr(&name, like->type);
	if (name.failed)
		return -ENOMEM;
	at = (uintptr_t)strmap_get_n(&types->by_name, name.buf, name.len);
	if (!at) {
		if (vec_push(&types->items, *like) < 0)
			return -ENOMEM;
		at = types->items.count;
		if (strmap_put_n(&types->by_name, name.buf, name.len, (void *)at, NULL) < 0)
			return -ENOMEM;
	}
	side = second ? &types->items.items[at - 1].b : &types->items.items[at - 1].a;
	add_saturating(&side->count, amount.count);
	add_saturating(&side->bytes, amount.bytes);
	return 0;
}

static int add_objects(struct types *types, const struct report *report, bool second)
{
	int err = 0;

	for (size_t i = 0; i < report->python_count; i++) {
		const struct report_python *python = &report->pythons[i];

		for (size_t k = 0; !err && k < python->type_count; k++) {
			const struct report_python_type *t = &python->types[k];

			err = add_type(types, &(struct diff_type){.python = true, .type = t->type},
				       second, (struct diff_type_side){t->count, t->bytes});
		}
	}
	return err;
}

static int add_blocks(struct types *types, const struct report *report, bool second)
{
	int err = 0;

	for (size_t i = 0; !err && i < report->census_count; i++) {
		const struct report_census *row = &report->census[i];

		err = add_type(types, &(struct diff_type){.type = row->type, .size = row->size},
			       second, (struct diff_type_side){row->count, row->bytes});
	}
	return err;
}

static enum diff_kind kind_of(const struct diff_type *t)
{
	double larger = fmax((double)t->a.bytes, (double)t->b.bytes);

	if (fabs(t->change_bytes) < DIFF_TYPE_MIN_BYTES ||
	    fabs(t->change_bytes) < DIFF_TOLERANCE * larger)
		return DIFF_SAME;
	if (!t->a.bytes || !t->b.bytes)
		return t->b.bytes ? DIFF_NEW : DIFF_GONE;
	return t->change_bytes > 0 ? DIFF_GREW : DIFF_SHRANK;
}

static int by_change(const void *a, const void *b)
{
	const struct diff_type *x = a, *y = b;

	if (x->change_bytes != y->change_bytes)
		return x->change_bytes < y->change_bytes ? 1 : -1;
	return x->b.bytes != y->b.bytes ? (x->b.bytes < y->b.bytes ? 1 : -1)
					: strcmp(x->type, y->type);
}

static bool has_objects(const struct report *report)
{
	for (size_t i = 0; i < report->python_count; i++)
		if (report->pythons[i].type_count)
			return true;
	return false;
}

int report_diff_types(struct report_diff *diff)
{
	struct types types = {0};
	int err = 0;

	strmap_init(&types.by_name, hash_seed_random());
	if (diff->a->census_count && diff->b->census_count)
		err = add_blocks(&types, diff->a, false);
	if (!err && types.items.count)
		err = add_blocks(&types, diff->b, true);
	if (!err && has_objects(diff->a) && has_objects(diff->b)) {
		err = add_objects(&types, diff->a, false);
		if (!err)
			err = add_objects(&types, diff->b, true);
	}
	strmap_done(&types.by_name, NULL);
	diff->types = types.items.items;
	diff->type_count = types.items.count;
	for (size_t i = 0; i < diff->type_count; i++) {
		struct diff_type *t = &diff->types[i];

		t->change_bytes = (double)t->b.bytes - (double)t->a.bytes;
		t->kind = kind_of(t);
	}
	if (diff->type_count)
		qsort(diff->types, diff->type_count, sizeof(*diff->types), by_change);
	return err;
}
