/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vec.h - a typed growing array.
 *
 *	VEC(struct mapping) maps = VEC_INIT;
 *	if (vec_push(&maps, m) < 0)
 *		return -ENOMEM;
 *	for (size_t i = 0; i < maps.count; i++)
 *		use(&maps.items[i]);
 *	vec_done(&maps);
 *
 * To pass one between functions give it a tag: `VEC_STRUCT(mapping_vec, struct mapping);`
 * `items` moves when it grows: keep indexes, not pointers, across a push. Elements are plain data;
 * what they point to is the owner's business. A failed push leaves the vector as it was.
 */
#ifndef HF_BASE_VEC_H
#define HF_BASE_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VEC_BODY(type)           \
	{                        \
		type *items;     \
		size_t count;    \
		size_t capacity; \
	}
#define VEC(type)             struct VEC_BODY(type)
#define VEC_STRUCT(tag, type) struct tag VEC_BODY(type)
#define VEC_INIT           \
	{                  \
		NULL, 0, 0 \
	}

/* Room for `extra` more elements: 0 or -ENOMEM. */
#define vec_reserve(v, extra) \
	vec_grow_(&(v)->items, &(v)->capacity, (v)->count, (extra), sizeof(*(v)->items))

/* Appends a value: 0 or -ENOMEM. */
#define vec_push(v, ...)                                                             \
	({                                                                           \
		int vec_err_ = (v)->count < (v)->capacity ? 0 : vec_reserve((v), 1); \
		if (!vec_err_)                                                       \
			(v)->items[(v)->count++] = (__VA_ARGS__);                    \
		vec_err_;                                                            \
	})

/* Appends `n` elements from an array: 0 or -ENOMEM. */
#define vec_append(v, from, n)                                                                   \
	({                                                                                       \
		const __typeof__(*(v)->items) *vec_from_ = (from);                               \
		size_t vec_n_ = (n);                                                             \
		int vec_err_ = vec_reserve((v), vec_n_);                                         \
		if (!vec_err_ && vec_n_) {                                                       \
			memcpy((v)->items + (v)->count, vec_from_, vec_n_ * sizeof(*vec_from_)); \
			(v)->count += vec_n_;                                                    \
		}                                                                                \
		vec_err_;                                                                        \
	})

/* The last element, removed. The vector must not be empty. */
#define vec_pop(v) ((v)->items[--(v)->count])

/* Removes element i by moving the last one into its place: order is lost. */
#define vec_remove_unordered(v, i) ((void)((v)->items[i] = (v)->items[--(v)->count]))

/* Empties, keeps the memory. */
#define vec_clear(v) ((void)((v)->count = 0))

/* Frees; the vector is empty and usable again. */
#define vec_done(v)                             \
	do {                                    \
		free((v)->items);               \
		(v)->items = NULL;              \
		(v)->count = (v)->capacity = 0; \
	} while (0)

/* Behind vec_reserve(). `items` points to a pointer of any type, so it is copied, not dereferenced. */
static inline int vec_grow_(void *items, size_t *capacity, size_t count, size_t extra, size_t size)
{
	size_t want, bytes, grown = *capacity + *capacity / 2;
	void *old, *bigger;

	if (__builtin_add_overflow(count, extra, &want))
		return -ENOMEM;
	if (want <= *capacity)
		return 0;
	if (grown > want)
		want = grown;
	if (want < 8)
		want = 8;
	if (__builtin_mul_overflow(want, size, &bytes))
		return -ENOMEM;
	memcpy(&old, items, sizeof(old));
	bigger = realloc(old, bytes);
	if (!bigger)
		return -ENOMEM;
	memcpy(items, &bigger, sizeof(bigger));
	*capacity = want;
	return 0;
}

#endif
