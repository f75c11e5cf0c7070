/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a small interpreter of CPython 3.11, made by hand: one anonymous region from IMAGE_BASE on. Words that point into it are
 * plain addresses.
 */
#ifndef HF_TESTS_PYHEAP_IMAGE_H
#define HF_TESTS_PYHEAP_IMAGE_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "account/pyheap/examine.h"
#include "account/pyheap/objects.h"

#define IMAGE_BASE        0x10000000ull
#define IMAGE_BYTES       (256u << 10)
#define IMAGE_RUNTIME     IMAGE_BASE
#define IMAGE_INTERPRETER (IMAGE_BASE + 0x22000) /* the last: its state is large */
#define IMAGE_TYPES       (IMAGE_BASE + 0x2000)  /* of the built-in ones, each IMAGE_TYPE_STEP */
#define IMAGE_TYPE_STEP   0x400ull
#define IMAGE_FREE        (IMAGE_BASE + 0x8000)  /* what the test makes lies from here on */
#define IMAGE_POOL        (IMAGE_BASE + 0x10000) /* a multiple of a pool's size */

struct image {
	uint8_t *bytes;    /* IMAGE_BYTES */
	uint64_t next;     /* address of what is made next */
	uint64_t youngest; /* the last object of the youngest generation, its head */
};

static inline void image_put(struct image *image, uint64_t address, uint64_t word)
{
	memcpy(image->bytes + (address - IMAGE_BASE), &word, sizeof(word));
}

static inline uint64_t image_get(const struct image *image, uint64_t address)
{
	uint64_t word;

	memcpy(&word, image->bytes + (address - IMAGE_BASE), sizeof(word));
	return word;
}

static inline uint64_t image_take(struct image *image, uint64_t bytes)
{
	uint64_t address = image->next;

	image->next += (bytes + 15) & ~15ull;
	return address;
}

static inline uint64_t image_text(struct image *image, const char *text)
{
	uint64_t address = image_take(image, strlen(text) + 1);

	memcpy(image->bytes + (address - IMAGE_BASE), text, strlen(text) + 1);
	return address;
}

/* Types of the image, in the order of their places. */
enum image_type {
	IMAGE_TYPE_TYPE,
	IMAGE_OBJECT,
	IMAGE_STR,
	IMAGE_DICT,
	IMAGE_LIST,
	IMAGE_MODULE,
	IMAGE_CELL,
	IMAGE_POINT, /* of a program's own in C: two references, tracked */
	IMAGE_TYPE_COUNT,
};

static inline uint64_t image_type(enum image_type type)
{
	return IMAGE_TYPES + type * IMAGE_TYPE_STEP;
}

static inline void image_make_type(struct image *image, enum image_type type, const char *name,
				   uint64_t basic, uint64_t flags)
{
	uint64_t at = image_type(type);

	image_put(image, at + PYTHON_REFERENCES, 100);
	image_put(image, at + PYTHON_TYPE, image_type(IMAGE_TYPE_TYPE));
	image_put(image, at + PYTHON_TYPE_NAME, image_text(image, name));
	image_put(image, at + PYTHON_TYPE_BASIC_SIZE, basic);
	image_put(image, at + PYTHON_TYPE_FLAGS, flags);
	image_put(image, at + PYTHON_TYPE_BASE,
		  type == IMAGE_OBJECT ? 0 : image_type(IMAGE_OBJECT));
}

/* Joins the youngest generation's list. */
static inline void image_track(struct image *image, uint64_t object)
{
	uint64_t list = IMAGE_INTERPRETER + 648 + PYTHON_GC_GENERATIONS, head = object - 16;

	image_put(image, image->youngest, head);
	image_put(image, head, list);
	image_put(image, head + 8, image->youngest);
	image_put(image, list + 8, head);
	image->youngest = head;
}

static inline uint64_t image_object(struct image *image, enum image_type type, uint64_t bytes,
				    uint64_t references)
{
	bool tracked = image_get(image, image_type(type) + PYTHON_TYPE_FLAGS) & PYTHON_FLAG_GC;
	uint64_t object = image_take(image, bytes + 16) + 16;

	image_put(image, object + PYTHON_REFERENCES, references);
	image_put(image, object + PYTHON_TYPE, image_type(type));
	if (tracked)
		image_track(image, object);
	return object;
}

static inline uint64_t image_str(struct image *image, const char *text)
{
	uint64_t object = image_object(image, IMAGE_STR, 48 + strlen(text) + 1, 1);

	image_put(image, object + PYTHON_OBJECT_COUNT, strlen(text));
	image_put(image, object + PYTHON_STR_STATE, 1u << 2 | 1u << 5 | 1u << 6);
	memcpy(image->bytes + (object + 48 - IMAGE_BASE), text, strlen(text) + 1);
	return object;
}

/* With room for eight entries. */
static inline uint64_t image_dict(struct image *image, uint64_t references)
{
	uint64_t dict = image_object(image, IMAGE_DICT, 48, references);
	uint64_t keys = image_take(image, 32 + 8 + 5 * 24);

	image_put(image, dict + PYTHON_DICT_KEYS, keys);
	image_put(image, keys, 1);
	image_put(image, keys + PYTHON_KEYS_LOG2_SIZE, 3 | 3u << 8);
	image_put(image, keys + PYTHON_KEYS_USABLE, 5);
	return dict;
}

static inline void image_set_item(struct image *image, uint64_t dict, const char *key,
				  uint64_t value)
{
	uint64_t keys = image_get(image, dict + PYTHON_DICT_KEYS);
	uint64_t count = image_get(image, keys + PYTHON_KEYS_COUNT);
	uint64_t entry = keys + 40 + 24 * count;

	image_put(image, entry + 8, image_str(image, key));
	image_put(image, entry + 16, value);
	image_put(image, keys + PYTHON_KEYS_COUNT, count + 1);
	image_put(image, keys + PYTHON_KEYS_USABLE, 4 - count);
}

static inline uint64_t image_list(struct image *image, uint64_t references, const uint64_t *items,
				  uint64_t count)
{
	uint64_t list = image_object(image, IMAGE_LIST, 40, references);
	uint64_t buffer = image_take(image, 8 * count + 8);

	image_put(image, list + PYTHON_OBJECT_COUNT, count);
	image_put(image, list + PYTHON_LIST_ITEMS, buffer);
	image_put(image, list + PYTHON_LIST_ROOM, count);
	for (uint64_t i = 0; i < count; i++)
		image_put(image, buffer + 8 * i, items[i]);
	return list;
}

static inline uint64_t image_point(struct image *image, uint64_t references, uint64_t first,
				   uint64_t second)
{
	uint64_t point = image_object(image, IMAGE_POINT, 32, references);

	image_put(image, point + 16, first);
	image_put(image, point + 24, second);
	return point;
}

/* A pool with @used blocks of 32 bytes in use, of @carved. */
static inline void image_make_pool(struct image *image, uint32_t used, uint32_t carved)
{
	uint64_t free_block = 0;

	image_put(image, IMAGE_POOL, used);
	for (uint32_t i = used; i < carved; i++) {
		uint64_t block = IMAGE_POOL + PYTHON_POOL_HEAD + 32ull * i;

		image_put(image, block, free_block);
		free_block = block;
	}
	image_put(image, IMAGE_POOL + PYTHON_POOL_FREE, free_block);
	image_put(image, IMAGE_POOL + PYTHON_POOL_ARENA, 0 | 1ull << 32);
	image_put(image, IMAGE_POOL + PYTHON_POOL_NEXT,
		  (PYTHON_POOL_HEAD + 32ull * carved) | (PYTHON_POOL_BYTES - 32ull) << 32);
}

/* An interpreter with an empty sys.modules. The dict of "__main__" is *ret_main. */
static inline void image_init(struct image *image, uint64_t *ret_main)
{
	uint64_t collector = IMAGE_INTERPRETER + 648, modules, module;

	*image = (struct image){.bytes = calloc(1, IMAGE_BYTES), .next = IMAGE_FREE};
	image_make_type(image, IMAGE_TYPE_TYPE, "type", 880, PYTHON_FLAG_TYPE | PYTHON_FLAG_GC);
	image_make_type(image, IMAGE_OBJECT, "object", 16, 0);
	image_make_type(image, IMAGE_STR, "str", 80, PYTHON_FLAG_STR);
	image_make_type(image, IMAGE_DICT, "dict", 48, PYTHON_FLAG_DICT | PYTHON_FLAG_GC);
	image_make_type(image, IMAGE_LIST, "list", 40, PYTHON_FLAG_LIST | PYTHON_FLAG_GC);
	image_make_type(image, IMAGE_MODULE, "module", 24, PYTHON_FLAG_GC);
	image_make_type(image, IMAGE_CELL, "cell", 24, PYTHON_FLAG_GC);
	image_make_type(image, IMAGE_POINT, "shapes.Point", 32, PYTHON_FLAG_GC);
	image_put(image, IMAGE_RUNTIME + 40, IMAGE_INTERPRETER);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t list = i < 3 ? collector + PYTHON_GC_GENERATIONS + 24 * i
				      : collector + PYTHON_GC_PERMANENT;

		image_put(image, list, list);
		image_put(image, list + 8, list);
	}
	image->youngest = collector + PYTHON_GC_GENERATIONS;
	modules = image_dict(image, 1);
	image_put(image, IMAGE_INTERPRETER + 888, modules);
	module = image_object(image, IMAGE_MODULE, 24, 1);
	*ret_main = image_dict(image, 1);
	image_put(image, module + PYTHON_MODULE_DICT, *ret_main);
	image_set_item(image, modules, "__main__", module);
}

static inline struct python_runtime image_runtime(void)
{
	return (struct python_runtime){
		.version_hex = 0x030b02f0,
		.address = IMAGE_RUNTIME,
		.layout = python_layout_find(0x030b02f0),
		.types = {[PYTHON_TYPE_TYPE] = image_type(IMAGE_TYPE_TYPE),
			  [PYTHON_MODULE] = image_type(IMAGE_MODULE),
			  [PYTHON_CELL] = image_type(IMAGE_CELL)},
	};
}

/* As if it had been copied out of a process. @bytes: a multiple of a page. */
static inline void image_load(struct py_heap *heap, const struct python_runtime *runtime,
			      const uint8_t *bytes, uint64_t size)
{
	struct py_memory *m = &heap->memory;

	py_heap_init(heap, runtime, 16 << 20);
	m->stream.pagemap_fd = m->stream.memory_fd = -1;
	m->page_max = m->page_count = size / 4096;
	m->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(m->pages, bytes, size);
	m->regions = calloc(1, sizeof(*m->regions));
	m->regions[0] = (struct py_region){
		.start = IMAGE_BASE, .end = IMAGE_BASE + size, .written = true, .anonymous = true};
	m->regions[0].slots = calloc(m->page_max, sizeof(uint32_t));
	for (uint32_t i = 0; i < m->page_max; i++)
		m->regions[0].slots[i] = i + 1;
	m->region_count = 1;
}

#endif
