/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page of a diff. Its data, "holdfast.diff_page/1": the head of the diff's JSON, the sites with
 * their frames by number, and what of the sites is not there. A site without "b" is gone from B, its
 * frames are A's; what remains has B's frames, which come first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "report/export/diff_json.h"
#include "report/export/export.h"
#include "report/export/frame_json.h"
#include "report/export/page.h"

#define PAGE_TYPES 200

struct selection {
	const struct report_diff *diff;
	const struct diff_entry **entries; /* in the order of the page */
	size_t count;
	const struct diff_entry *left_out; /* these stand side by side in the diff */
	size_t left_out_count;
	uint32_t *numbers[2]; /* of A's and of B's frames: number on the page + 1; 0: not there */
	uint32_t frame_count;
};

/* Entries are sorted by change, so those that changed most, either way, stand at both ends. */
static void choose_entries(struct selection *s)
{
	const struct diff_entry *first = s->diff->entries;
	size_t left = s->diff->entry_count;

	for (size_t i = 0; i < s->count; i++, left--) {
		const struct diff_entry *last = first + left - 1;
		bool rise = first->change_bytes_per_second >= -last->change_bytes_per_second;

		s->entries[i] = rise ? first++ : last;
	}
	s->left_out = first;
	s->left_out_count = left;
}

static bool is_gone(const struct report_diff *d, const struct diff_entry *e)
{
	return e->of != d->b;
}

/* B's before A's, then by stack from the root: like stacks side by side compress better. */
static int by_place(const void *a, const void *b, void *diff)
{
	const struct diff_entry *x = *(const struct diff_entry *const *)a;
	const struct diff_entry *y = *(const struct diff_entry *const *)b;
	uint32_t i = x->stack.depth, j = y->stack.depth;

	if (x->of != y->of)
		return is_gone(diff, x) - is_gone(diff, y);
	while (i && j) {
		uint32_t f = x->stack.frames[--i], g = y->stack.frames[--j];

		if (f != g)
			return f < g ? -1 : 1;
	}
	return i != j ? (i < j ? -1 : 1) : strcmp(x->allocator, y->allocator);
}

static uint32_t *number_of(struct selection *s, const struct diff_entry *e, uint32_t i)
{
	return &s->numbers[!is_gone(s->diff, e)][e->stack.frames[i]];
}

static int select_entries(struct selection *s, const struct report_diff *d, size_t count)
{
	s->diff = d;
	s->count = count;
	s->entries = calloc(count + 1, sizeof(*s->entries));
	s->numbers[0] = calloc(d->a->frame_count + 1, sizeof(**s->numbers));
	s->numbers[1] = calloc(d->b->frame_count + 1, sizeof(**s->numbers));
	if (!s->entries || !s->numbers[0] || !s->numbers[1])
		return -ENOMEM;
	choose_entries(s);
	qsort_r(s->entries, count, sizeof(*s->entries), by_place, (void *)d);
	return 0;
}

static void selection_done(struct selection *s)
{
	free(s->entries);
	free(s->numbers[0]);
	free(s->numbers[1]);
}

/* The frames that the entries name, each numbered as it is written. */
static void put_frames(struct json_out *j, struct selection *s)
{
	json_out_begin_array(j, "frames");
	for (size_t i = 0; i < s->count; i++) {
		const struct diff_entry *e = s->entries[i];

		for (uint32_t f = 0; f < e->stack.depth; f++) {
			uint32_t *number = number_of(s, e, f);

			if (*number)
				continue;
			json_frame(j, &e->of->frames[e->stack.frames[f]]);
			*number = ++s->frame_count;
		}
	}
	json_out_end_array(j);
}

/* Rates are left to the page: bytes and durations are there, and random digits do not compress. */
static void put_side(struct json_out *j, const char *name, const struct diff_side *side)
{
	json_out_begin_object(j, name);
	diff_json_amounts(j, side);
	json_out_end_object(j);
}

static void put_entry(struct json_out *j, struct selection *s, const struct diff_entry *e)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "kind", diff_kind_name(e->kind));
	json_out_string(j, "allocator", e->allocator);
	if (e->stack.depth)
		json_out_u64(j, "own_frame", report_first_own_frame(e->of, e->stack));
	json_out_begin_array(j, "stack");
	for (uint32_t f = 0; f < e->stack.depth; f++)
		json_out_u64(j, NULL, *number_of(s, e, f) - 1);
	json_out_end_array(j);
	if (e->a.allocs || e->a.outstanding_bytes || is_gone(s->diff, e))
		put_side(j, "a", &e->a);
	if (!is_gone(s->diff, e))
		put_side(j, "b", &e->b);
	json_out_end_object(j);
}

static void put_left_out(struct json_out *j, const struct selection *s)
{
	double a = 0, b = 0;

	for (size_t i = 0; i < s->left_out_count; i++) {
		a += s->left_out[i].a.bytes_per_second;
		b += s->left_out[i].b.bytes_per_second;
	}
	json_out_begin_object(j, "left_out");
	json_out_u64(j, "sites", s->left_out_count);
	json_out_double(j, "a_bytes_per_second", a);
	json_out_double(j, "b_bytes_per_second", b);
	json_out_end_object(j);
}

static int fill_page(const void *user, struct sink *sink)
{
	struct selection s = *(const struct selection *)user;
	struct json_out j;

	json_out_init(&j, sink, 2);
	diff_json_begin(&j, "holdfast.diff_page/1", s.diff);
	put_left_out(&j, &s);
	diff_json_types(&j, s.diff, PAGE_TYPES);
	put_frames(&j, &s);
	json_out_begin_array(&j, "entries");
	for (size_t i = 0; i < s.count; i++)
		put_entry(&j, &s, s.entries[i]);
	json_out_end_array(&j);
	json_out_end_object(&j);
	return sink->error;
}

static int pack_diff(const void *user, size_t count, struct strbuf *ret_bytes)
{
	struct selection s = {0};
	int err = select_entries(&s, user, count);

	if (!err)
		err = sink_pack(fill_page, &s, ret_bytes);
	selection_done(&s);
	return err;
}

int diff_write_html(const struct report_diff *diff, struct sink *sink)
{
	const struct page_data data = {diff, diff->entry_count, pack_diff};
	int err = write_page(PAGE_DIFF, &data, sink);
	int finished = sink_finish(sink);

	return err ? err : finished;
}
