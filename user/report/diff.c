/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/saturate.h"
#include "base/strbuf.h"
#include "base/vec.h"

struct key { /* what a site is matched by */
	const char *allocator;
	uint32_t first, depth; /* of its names in matcher.names */
};

struct matcher {
	VEC(struct diff_entry) entries;
	VEC(struct key) keys; /* as entries */
	VEC(uint32_t) names;  /* name numbers of all keys' stacks */
	VEC(uint32_t) scratch;
	struct map64 entry_by_hash;
	struct strmap names_by_text; /* text -> number + 1 */
	uint32_t *frame_names;       /* of the report at hand: number of each frame's name */
};

static const char *const kind_names[] = {
#define X(upper, name) name,
	REPORT_DIFF_KINDS(X)
#undef X
};

const char *diff_kind_name(enum diff_kind kind)
{
	return (unsigned int)kind < DIFF_KIND_COUNT ? kind_names[kind] : "";
}

/* "libfoo.so.1.2" and "libfoo.so.1.3" are one module; the function tells more than its address. */
static int add_name(struct matcher *m, const struct report_frame *frame, uint32_t *ret_number)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	const char *module = report_basename(frame->module);
	const char *version = strstr(module, ".so");
	uintptr_t known;

	strbuf_add(&name, module, version ? (size_t)(version - module) : strlen(module));
	strbuf_addch(&name, '\n');
	strbuf_addstr(&name, frame->function);
	if (name.failed)
		return -ENOMEM;
	known = (uintptr_t)strmap_get_n(&m->names_by_text, name.buf, name.len);
	if (!known) {
		known = m->names_by_text.count + 1;
		if (strmap_put_n(&m->names_by_text, name.buf, name.len, (void *)known, NULL) < 0)
			return -ENOMEM;
	}
	*ret_number = (uint32_t)known;
	return 0;
}

static int name_frames(struct matcher *m, const struct report *report)
{
	free(m->frame_names);
	m->frame_names = calloc(report->frame_count + 1, sizeof(*m->frame_names));
	if (!m->frame_names)
		return -ENOMEM;
	for (size_t i = 0; i < report->frame_count; i++) {
		int err = add_name(m, &report->frames[i], &m->frame_names[i]);

		if (err)
			return err;
	}
	return 0;
}

static bool same_key(const struct matcher *m, const struct key *key, const char *allocator)
{
	return key->depth == m->scratch.count && !strcmp(key->allocator, allocator) &&
	       (!key->depth || !memcmp(m->names.items + key->first, m->scratch.items,
				       key->depth * sizeof(*m->scratch.items)));
}

/* The entry of the names in scratch, made if new. */
static int find_entry(struct matcher *m, const char *allocator, size_t *ret_entry)
{
	struct key key = {allocator, (uint32_t)m->names.count, (uint32_t)m->scratch.count};
	uint64_t hash = hash_bytes(allocator, strlen(allocator), m->entry_by_hash.seed), index;

	hash = hash_bytes(m->scratch.items, m->scratch.count * sizeof(*m->scratch.items), hash);
	for (; map64_get(&m->entry_by_hash, hash, &index); hash++) {
		if (same_key(m, &m->keys.items[index], allocator)) {
			*ret_entry = index;
			return 0;
		}
	}
	if (m->names.count + m->scratch.count > UINT32_MAX ||
	    vec_append(&m->names, m->scratch.items, m->scratch.count) < 0 ||
	    vec_push(&m->keys, key) < 0 || vec_push(&m->entries, (struct diff_entry){0}) < 0 ||
	    map64_put(&m->entry_by_hash, hash, m->entries.count - 1) < 0)
		return -ENOMEM;
	*ret_entry = m->entries.count - 1;
	return 0;
}

static int add_report(struct matcher *m, const struct report *report, bool second)
{
	int err = name_frames(m, report);

	for (size_t i = 0; !err && i < report->site_count; i++) {
		const struct report_site *site = &report->sites[i];
		struct diff_entry *entry;
		struct diff_side *side;
		size_t index;

		vec_clear(&m->scratch);
		for (uint32_t f = 0; !err && f < site->stack.depth; f++)
			err = vec_push(&m->scratch, m->frame_names[site->stack.frames[f]]);
		if (!err)
			err = find_entry(m, site->allocator, &index);
		if (err)
			break;
		entry = &m->entries.items[index];
		entry->of = report;
		entry->stack = site->stack;
		entry->allocator = site->allocator;
		side = second ? &entry->b : &entry->a;
		add_saturating(&side->outstanding_bytes, site->outstanding_bytes);
		add_saturating(&side->outstanding_count, site->outstanding_count);
		add_saturating(&side->allocs, site->allocs);
	}
	return err;
}

static double rate_of(const struct report *report, uint64_t bytes)
{
	return report->capture.duration_s > 0 ? (double)bytes / report->capture.duration_s : 0;
}

static enum diff_kind kind_of(const struct diff_entry *e)
{
	double larger = fmax(e->a.bytes_per_second, e->b.bytes_per_second);
	double change = fabs(e->change_bytes_per_second);

	if (!e->a.outstanding_bytes && e->b.outstanding_bytes)
		return DIFF_NEW;
	if (e->a.outstanding_bytes && !e->b.outstanding_bytes)
		return DIFF_GONE;
	if (change < DIFF_MIN_BYTES_PER_SECOND || change < DIFF_TOLERANCE * larger)
		return DIFF_SAME;
	return e->change_bytes_per_second > 0 ? DIFF_GREW : DIFF_SHRANK;
}

static int by_change(const void *a, const void *b)
{
	const struct diff_entry *x = a, *y = b;

	if (x->change_bytes_per_second != y->change_bytes_per_second)
		return x->change_bytes_per_second < y->change_bytes_per_second ? 1 : -1;
	if (x->b.outstanding_bytes != y->b.outstanding_bytes)
		return x->b.outstanding_bytes < y->b.outstanding_bytes ? 1 : -1;
	return strcmp(x->allocator, y->allocator);
}

static void judge_entries(struct report_diff *d)
{
	for (size_t i = 0; i < d->entry_count; i++) {
		struct diff_entry *e = &d->entries[i];

		e->a.bytes_per_second = rate_of(d->a, e->a.outstanding_bytes);
		e->b.bytes_per_second = rate_of(d->b, e->b.outstanding_bytes);
		e->change_bytes_per_second = e->b.bytes_per_second - e->a.bytes_per_second;
		e->kind = kind_of(e);
		d->count_by_kind[e->kind]++;
		d->total_change_bytes_per_second += e->change_bytes_per_second;
		if (e->kind == DIFF_SAME || e->change_bytes_per_second <= 0)
			continue;
		d->rise_bytes_per_second += e->change_bytes_per_second;
		d->worst_rise_bytes_per_second =
			fmax(d->worst_rise_bytes_per_second, e->change_bytes_per_second);
	}
	if (d->entry_count)
		qsort(d->entries, d->entry_count, sizeof(*d->entries), by_change);
}

int report_diff(const struct report *a, const struct report *b, struct report_diff **ret_diff)
{
	_cleanup_(report_diff_freep) struct report_diff *d = calloc(1, sizeof(*d));
	struct matcher m = {0};
	int err;

	if (!d)
		return -ENOMEM;
	d->a = a;
	d->b = b;
	strmap_init(&m.names_by_text, hash_seed_random());
	map64_init(&m.entry_by_hash, m.names_by_text.seed);
	err = add_report(&m, a, false);
	if (!err)
		err = add_report(&m, b, true);
	d->entries = m.entries.items;
	d->entry_count = m.entries.count;
	strmap_done(&m.names_by_text, NULL);
	map64_done(&m.entry_by_hash);
	vec_done(&m.keys);
	vec_done(&m.names);
	vec_done(&m.scratch);
	free(m.frame_names);
	if (!err)
		err = report_diff_types(d);
	if (err)
		return err;
	judge_entries(d);
	*ret_diff = no_free_ptr(d);
	return 0;
}

void report_diff_free(struct report_diff *diff)
{
	if (!diff)
		return;
	free(diff->entries);
	free(diff->types);
	free(diff);
}

bool report_diff_exceeds(const struct report_diff *diff, double gate_bytes_per_second)
{
	return diff->rise_bytes_per_second > gate_bytes_per_second;
}
