// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "process/code/family_internal.h"

#define AGAIN_SPARE 20  /* more blocks than the first time until one comes again */
#define OTHERS_MAX  100 /* among as many is the free of a second allocator looked for */
#define CALLED_MAX  600 /* of the functions that are called most: malloc and free are among them */
#define NEAR_BYTES  (96u << 10) /* around malloc and free: the others of the family */
#define NEAR_MAX    3000
#define MALLOCS_MAX 24
#define PAIRS_MAX   4
#define TRIED_CALLS 60

VEC_STRUCT(index_vec, uint32_t);
VEC_STRUCT(member_vec, struct family_function);

struct search {
	struct family_try try;
	const struct code_functions *functions;
	uint64_t bias;
	struct index_vec called; /* most called first */
	struct member_vec found; /* addresses are the machine's until the end */
};

void family_done(struct family *family)
{
	free(family->items);
	family->items = NULL;
	family->count = 0;
}

int family_merge(struct family *family, struct family *more, size_t *ret_added)
{
	size_t room = family->count + more->count, added = 0;
	struct family_function *bigger =
		realloc(family->items, (room ? room : 1) * sizeof(*bigger));

	if (bigger)
		family->items = bigger;
	for (size_t i = 0; bigger && i < more->count; i++) {
		bool known = false;

		for (size_t k = 0; k < family->count && !known; k++)
			known = bigger[k].address == more->items[i].address;
		if (known)
			continue;
		bigger[family->count++] = more->items[i];
		added++;
	}
	family_done(more);
	if (!bigger)
		return -ENOMEM;
	*ret_added = added;
	return 0;
}

static int by_calls(const void *a, const void *b, void *user)
{
	const struct code_function *f = user;
	uint32_t x = f[*(const uint32_t *)a].calls, y = f[*(const uint32_t *)b].calls;

	if (x != y)
		return x < y ? 1 : -1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static int rank(struct search *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->functions->count; i++)
		if (s->functions->items[i].calls)
			err = vec_push(&s->called, (uint32_t)i);
	if (s->called.count)
		qsort_r(s->called.items, s->called.count, sizeof(uint32_t), by_calls,
			s->functions->items);
	if (s->called.count > CALLED_MAX)
		s->called.count = CALLED_MAX;
	return err;
}

static uint64_t address_of(const struct search *s, uint32_t index)
{
	return s->functions->items[index].address + s->bias;
}

static bool is_found(const struct search *s, uint64_t address)
{
	for (size_t i = 0; i < s->found.count; i++)
		if (s->found.items[i].address == address)
			return true;
	return false;
}

static int add(struct search *s, enum family_role role, uint32_t index)
{
	return vec_push(&s->found,
			(struct family_function){.role = role,
						 .address = address_of(s, index),
						 .size = s->functions->items[index].size});
}

/* The first function, by calls, that takes back what this malloc gave. */
static bool find_free(struct search *s, size_t among, uint32_t *ret_index)
{
	for (size_t i = 0; i < s->called.count && i < among; i++) {
		if (address_of(s, s->called.items[i]) != s->try.malloc &&
		    try_free(&s->try, address_of(s, s->called.items[i]), false)) {
			*ret_index = s->called.items[i];
			return true;
		}
	}
	return false;
}

/* Does one of the pairs known so far free the blocks of this malloc? */
static bool is_freed_by(struct search *s, const struct family_try *pairs, size_t count)
{
	for (size_t p = 0; p < count; p++) {
		s->try.again = pairs[p].again;
		if (try_free(&s->try, pairs[p].free, false))
			return true;
	}
	return false;
}

/* A pair of its own. */
static bool find_pair(struct search *s, size_t among, struct family_try *ret)
{
	uint32_t index;

	s->try.again = 0;
	if (!find_free(s, among, &index))
		return false;
	s->try.again = 2 * s->try.taken + AGAIN_SPARE;
	if (!try_keeps(&s->try))
		return false;
	*ret = s->try;
	ret->free = address_of(s, index);
	return true;
}

/* Pairs of malloc and free. What frees one malloc's blocks frees those of others of its family. */
static int find_pairs(struct search *s, struct family_try *pairs, size_t *ret_count)
{
	size_t tried = 0, count = 0;
	int err = 0;

	for (size_t i = 0; !err && i < s->called.count && tried < MALLOCS_MAX; i++) {
		uint64_t function = address_of(s, s->called.items[i]);

		if (is_found(s, function) || !try_malloc(&s->try, function))
			continue;
		tried++;
		s->try.malloc = function;
		if (is_freed_by(s, pairs, count)) {
			err = add(s, FAMILY_MALLOC, s->called.items[i]);
		} else if (count < PAIRS_MAX &&
			   find_pair(s, count ? OTHERS_MAX : CALLED_MAX, &pairs[count])) {
			count++;
			err = add(s, FAMILY_MALLOC, s->called.items[i]);
		}
	}
	*ret_count = count;
	return err;
}

/* What this function is in the family, if it is of it. */
static bool role_of(struct family_try *t, uint64_t function, enum family_role *ret)
{
	static const struct {
		enum family_role role;
		bool (*is)(struct family_try *, uint64_t);
	} tries[] = {
		{FAMILY_CALLOC, try_calloc},
		{FAMILY_REALLOC, try_realloc},
		{FAMILY_ALIGNED_TO, try_aligned_to},
		{FAMILY_ALIGNED, try_aligned},
		{FAMILY_NEW, try_new},
	};

	if (try_free(t, function, false)) {
		*ret = FAMILY_FREE;
		return true;
	}
	if (try_malloc_of(t, function)) {
		*ret = FAMILY_MALLOC;
		return true;
	}
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		if (tries[i].is(t, function)) {
			*ret = tries[i].role;
			return true;
		}
	}
	if (!try_free(t, function, true))
		return false;
	*ret = FAMILY_FREE_SIZED;
	return true;
}

static bool is_near(uint64_t address, uint64_t other)
{
	return address - other < NEAR_BYTES || other - address < NEAR_BYTES;
}

/* The rest of a family: near its malloc and its free. */
static int find_rest(struct search *s, struct family_try *pair)
{
	size_t tried = 0;
	int err = 0;

	for (uint32_t i = 0; !err && i < s->functions->count && tried < NEAR_MAX; i++) {
		uint64_t function = address_of(s, i);
		enum family_role role;

		if ((!is_near(function, pair->malloc) && !is_near(function, pair->free)) ||
		    is_found(s, function))
			continue;
		tried++;
		if (role_of(pair, function, &role))
			err = add(s, role, i);
	}
	return err;
}

static bool allocates_by_size(enum family_role role)
{
	return role == FAMILY_MALLOC || role == FAMILY_NEW;
}

static bool frees(enum family_role role)
{
	return role == FAMILY_FREE || role == FAMILY_FREE_SIZED;
}

static bool alike(const struct family_function *a, const struct family_function *b)
{
	return a->address != b->address &&
	       (a->role == b->role || (allocates_by_size(a->role) && allocates_by_size(b->role)) ||
		(frees(a->role) && frees(b->role)));
}

/* Every call goes on to another one that does the same: that one is enough. */
static bool is_wrapper(struct search *s, struct family_try *pair,
		       const struct family_function *function, unsigned int *counts)
{
	struct family_entered entered = {s->found.items, counts, s->found.count, TRIED_CALLS};

	memset(counts, 0, s->found.count * sizeof(*counts));
	try_enters(pair, function, &entered);
	for (size_t i = 0; i < s->found.count; i++)
		if (counts[i] == TRIED_CALLS && alike(function, &s->found.items[i]))
			return true;
	return false;
}

static int finish(struct search *s, struct family_try *pairs, size_t pair_count,
		  struct member_vec *ret)
{
	_cleanup_free_ unsigned int *counts = calloc(s->found.count + 1, sizeof(*counts));
	int err = counts ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < s->found.count; i++) {
		struct family_function f = s->found.items[i];
		bool wraps = false;

		for (size_t p = 0; p < pair_count && !wraps; p++)
			wraps = is_wrapper(s, &pairs[p], &f, counts);
		if (wraps)
			continue;
		f.may_throw = allocates_by_size(f.role) &&
			      !try_fails_softly(&s->try, f.address, f.role == FAMILY_NEW);
		f.address -= s->bias;
		err = vec_push(ret, f);
	}
	return err;
}

int family_find(struct machine *machine, const struct code_functions *functions, uint64_t bias,
		struct family *ret)
{
	struct search s = {.try = {.machine = machine}, .functions = functions, .bias = bias};
	struct family_try pairs[PAIRS_MAX];
	struct member_vec members = VEC_INIT;
	size_t pair_count = 0;
	int err = rank(&s);

	if (!err)
		err = find_pairs(&s, pairs, &pair_count);
	for (size_t p = 0; !err && p < pair_count; p++) {
		size_t before = s.found.count;

		for (size_t i = 0; i < s.called.count && !err; i++) {
			if (address_of(&s, s.called.items[i]) == pairs[p].free)
				err = add(&s, FAMILY_FREE, s.called.items[i]);
		}
		if (!err && s.found.count > before)
			err = find_rest(&s, &pairs[p]);
	}
	if (!err)
		err = finish(&s, pairs, pair_count, &members);
	if (!err && !members.count)
		err = s.try.busy ? -EAGAIN : -ENOENT;
	vec_done(&s.called);
	vec_done(&s.found);
	if (err) {
		vec_done(&members);
		return err;
	}
	ret->items = members.items;
	ret->count = members.count;
	return 0;
}
