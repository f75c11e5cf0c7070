// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/roots.h"

#include <errno.h>
#include <stdlib.h>

#include "account/pyheap/dicts.h"
#include "account/pyheap/native_roots.h"
#include "account/pyheap/visit.h"

#define THREADS_MAX 65536
#define FRAMES_MAX  65536 /* of a thread */
#define LOCALS_MAX  4096

/* What is seen and not yet followed, in the order in which it was seen. */
struct follow {
	struct py_heap *heap;
	VEC(uint32_t) queue;
	size_t next;
	uint32_t parent; /* what is being followed; of frames their code; PY_NO_OBJECT: none */
	int error;
};

static uint32_t label_of(struct py_heap *heap, enum py_edge how, uint64_t label)
{
	if (how == PY_EDGE_SLOT)
		return (uint32_t)label;
	return label ? py_object_meet(heap, label) : PY_NO_OBJECT;
}

/*
 * Any word may stand in a slot: only what is known to be an object counts there, and what lies in no pool and in no list: text and
 * numbers, if they look like that.
 */
static uint32_t object_at(struct py_heap *heap, enum py_edge how, uint64_t target)
{
	uint32_t object = py_object_find(heap, target);
	uint64_t before = heap->objects.count;
	uint64_t head[2];
	uint32_t type;

	if (object != PY_NO_OBJECT || how != PY_EDGE_SLOT)
		return object != PY_NO_OBJECT ? object : py_object_meet(heap, target);
	if (target % 8 || py_is_in_pool(heap, target) ||
	    !py_memory_copy(&heap->memory, target, head, sizeof(head)) ||
	    !py_references_alive(head[0]) || head[1] % 8)
		return PY_NO_OBJECT;
	type = py_type_at(heap, head[1]);
	if (type == PY_NO_TYPE || (heap->types.items[type].flags & PYTHON_FLAG_GC &&
				   heap->types.items[type].kind != PY_CLASS))
		return PY_NO_OBJECT;
	object = py_object_add(heap, target, type);
	return object < before ? PY_NO_OBJECT : object;
}

static void see(void *user, enum py_edge how, uint64_t target, uint64_t label)
{
	struct follow *f = user;
	uint32_t object = object_at(f->heap, how, target), name;
	const struct py_type *type;
	struct py_object *o;

	if (object == PY_NO_OBJECT || f->heap->objects.items[object].seen)
		return;
	name = label_of(f->heap, how, label);
	o = &f->heap->objects.items[object];
	o->seen = true;
	o->parent = f->parent;
	o->edge = (uint8_t)how;
	o->label = name;
	type = &f->heap->types.items[o->type];
	/* Text and numbers hold nothing; instances of a class that is one of these may. */
	if ((type->kind == PY_STR || type->kind == PY_NOTHING) && !(type->flags & PYTHON_FLAG_HEAP))
		return;
	if (vec_push(&f->queue, object))
		f->error = -ENOMEM;
}

static int follow_all(struct follow *f)
{
	const struct py_visitor visitor = {see, f};

	while (f->next < f->queue.count && !f->error && !f->heap->error) {
		f->parent = f->queue.items[f->next++];
		py_visit(f->heap, f->parent, &visitor);
	}
	f->parent = PY_NO_OBJECT;
	return f->error ? f->error : f->heap->error;
}

/* The program's own module first: of ways of the same length, the one from there is taken. */
static void see_modules(struct follow *f, uint64_t modules)
{
	struct py_heap *heap = f->heap;
	struct py_keys keys;
	uint64_t values;

	if (!py_dict_read(heap, modules, &keys, &values))
		return;
	for (int others = 0; others < 2; others++)
		for (uint64_t i = 0; i < keys.count && py_heap_step(heap, 3); i++) {
			uint64_t key = py_keys_key(heap, &keys, i);
			_cleanup_free_ char *name = py_object_text(heap, key);

			if (name && (strcmp(name, "__main__") != 0) == others)
				see(f, PY_EDGE_MODULE, py_keys_value(heap, &keys, values, i), key);
		}
}

/* The variables of a function that is being run. */
static void see_frame(struct follow *f, uint64_t frame, uint64_t code)
{
	struct py_heap *heap = f->heap;
	uint64_t names = py_memory_word(&heap->memory, code + heap->layout->code_names);
	uint32_t count;

	if (!py_memory_copy(&heap->memory, code + heap->layout->code_name_count, &count,
			    sizeof(count)))
		return;
	f->parent = py_object_meet(heap, code);
	for (uint32_t i = 0; i < count && i < LOCALS_MAX && py_heap_step(heap, 2); i++)
		see(f, PY_EDGE_LOCAL,
		    py_memory_word(&heap->memory, frame + PYTHON_FRAME_LOCALS + 8ULL * i),
		    py_memory_word(&heap->memory, names + PYTHON_TUPLE_ITEMS + 8ULL * i));
	f->parent = PY_NO_OBJECT;
}

static void see_thread_frames(struct follow *f, uint64_t thread)
{
	const struct hf_python *py = &f->heap->layout->frames;
	struct py_memory *memory = &f->heap->memory;
	uint64_t frame = py_memory_word(memory, thread + py->thread_frame);

	if (py->has_cframe)
		frame = py_memory_word(memory, frame + py->cframe_frame);
	for (unsigned int i = 0; frame && i < FRAMES_MAX && py_heap_step(f->heap, 1); i++) {
		uint64_t code = py_memory_word(memory, frame + py->frame_code);
		uint32_t object = code ? py_object_meet(f->heap, code) : PY_NO_OBJECT;

		if (object != PY_NO_OBJECT &&
		    py_type_of(f->heap, object)->address == f->heap->runtime->types[PYTHON_CODE])
			see_frame(f, frame, code);
		frame = py_memory_word(memory, frame + py->frame_previous);
	}
}

/* Any word of it may be a reference. */
static void see_words(struct follow *f, uint64_t start, uint64_t bytes, enum py_edge how)
{
	while (bytes >= 8) {
		uint64_t got;
		const uint64_t *words = py_memory_words(&f->heap->memory, start, bytes / 8, &got);

		if (!got || !py_heap_step(f->heap, got))
			return;
		for (uint64_t i = 0; i < got; i++)
			if (py_object_find(f->heap, words[i]) != PY_NO_OBJECT)
				see(f, how, words[i], 0);
		start += got * 8;
		bytes -= got * 8;
	}
}

typedef void (*thread_fn)(struct follow *f, uint64_t thread);

static void see_thread_state(struct follow *f, uint64_t thread)
{
	see_words(f, thread, f->heap->layout->thread_bytes, PY_EDGE_INTERPRETER);
}

static uint64_t each_thread(struct follow *f, uint64_t interpreter, thread_fn fn)
{
	const struct hf_python *py = &f->heap->layout->frames;
	uint64_t count = 0,
		 thread = py_memory_word(&f->heap->memory, interpreter + py->interpreter_threads);

	for (; thread && count < THREADS_MAX && py_heap_step(f->heap, 1); count++) {
		fn(f, thread);
		thread = py_memory_word(&f->heap->memory, thread + py->thread_next);
	}
	return count;
}

static int see_native(void *user, uint64_t address, uint32_t region)
{
	struct follow *f = user;
	uint32_t object = py_object_find(f->heap, address);

	see(f, PY_EDGE_NATIVE, address, 0);
	if (f->heap->objects.items[object].edge == PY_EDGE_NATIVE &&
	    f->heap->objects.items[object].label == PY_NO_OBJECT)
		f->heap->objects.items[object].label = region;
	return f->error;
}

static int follow_stages(struct follow *f, const uint64_t *interpreters, size_t count,
			 uint64_t *ret_threads)
{
	const struct python_layout *layout = f->heap->layout;
	int err;

	for (size_t i = 0; i < count; i++)
		see_modules(f, py_memory_word(&f->heap->memory,
					      interpreters[i] + layout->interpreter_modules));
	err = follow_all(f);
	for (size_t i = 0; !err && i < count; i++)
		*ret_threads += each_thread(f, interpreters[i], see_thread_frames);
	if (!err)
		err = follow_all(f);
	for (size_t i = 0; !err && i < count; i++) {
		see_words(f, interpreters[i], layout->interpreter_bytes, PY_EDGE_INTERPRETER);
		(void)each_thread(f, interpreters[i], see_thread_state);
	}
	if (!err)
		err = follow_all(f);
	if (!err)
		err = py_native_roots(f->heap, see_native, f);
	return err ? err : follow_all(f);
}

int py_roots_follow(struct py_heap *heap, const uint64_t *interpreters, size_t count,
		    uint64_t *ret_threads)
{
	struct follow f = {.heap = heap, .parent = PY_NO_OBJECT};
	int err;

	*ret_threads = 0;
	err = follow_stages(&f, interpreters, count, ret_threads);
	vec_done(&f.queue);
	return err;
}

/* References among those that are not seen. */
struct reference_count {
	struct py_heap *heap;
	uint32_t *found;
	VEC(uint32_t) queue;
	int error;
};

static void count_one(void *user, enum py_edge how, uint64_t target, uint64_t label)
{
	struct reference_count *c = user;
	uint32_t object = py_object_find(c->heap, target);

	(void)how;
	(void)label;
	if (object != PY_NO_OBJECT && c->found[object] < UINT32_MAX)
		c->found[object]++;
}

static void mark_overcounted(void *user, enum py_edge how, uint64_t target, uint64_t label)
{
	struct reference_count *c = user;
	uint32_t object = py_object_find(c->heap, target);

	(void)label;
	if (object == PY_NO_OBJECT || c->heap->objects.items[object].seen ||
	    c->heap->objects.items[object].overcounted)
		return;
	c->heap->objects.items[object].overcounted = true;
	c->heap->objects.items[object].overcounted_itself = how == PY_EDGE_NONE;
	if (vec_push(&c->queue, object))
		c->error = -ENOMEM;
}

static int count_all(struct reference_count *c)
{
	const struct py_visitor counter = {count_one, c}, marker = {mark_overcounted, c};
	struct py_heap *heap = c->heap;
	size_t count = heap->objects.count;

	for (size_t i = 0; i < count && !heap->error; i++)
		if (!heap->objects.items[i].seen)
			py_visit(heap, (uint32_t)i, &counter);
	for (size_t i = 0; i < count && !c->error && !heap->error; i++) {
		uint64_t references = py_memory_word(&heap->memory, heap->objects.items[i].address);

		if (!heap->objects.items[i].seen && !py_references_immortal(references) &&
		    references > c->found[i])
			mark_overcounted(c, PY_EDGE_NONE, heap->objects.items[i].address, 0);
	}
	for (size_t i = 0; i < c->queue.count && !c->error && !heap->error; i++)
		py_visit(heap, c->queue.items[i], &marker);
	return c->error ? c->error : heap->error;
}

int py_roots_count_references(struct py_heap *heap)
{
	struct reference_count c = {.heap = heap};
	int err = -ENOMEM;

	c.found = calloc(heap->objects.count + 1, sizeof(*c.found));
	if (c.found)
		err = count_all(&c);
	free(c.found);
	vec_done(&c.queue);
	return err;
}
