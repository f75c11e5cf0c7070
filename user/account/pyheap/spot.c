// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/spot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/python/code.h"

#define STEPS_MAX 64 /* up */

/* A code object, and an instruction of it. */
struct place {
	uint64_t code;
	uint32_t unit; /* HF_PYTHON_NO_UNIT: its beginning */
};

static uint64_t word(struct py_heap *heap, uint64_t address)
{
	return py_memory_word(&heap->memory, address);
}

static uint32_t unit_of(uint64_t bytes)
{
	return bytes / 2 < HF_PYTHON_NO_UNIT ? (uint32_t)(bytes / 2) : HF_PYTHON_NO_UNIT;
}

static struct place of_frame(struct py_heap *heap, uint64_t object)
{
	const struct hf_python *py = &heap->layout->frames;
	uint64_t frame = word(heap, object + PYTHON_FRAME_OBJECT_FRAME);
	uint64_t code = word(heap, frame + py->frame_code);
	uint64_t instruction = word(heap, frame + py->frame_instruction);

	return (struct place){code, unit_of(instruction - (code + py->code_units))};
}

static struct place of_traceback(struct py_heap *heap, uint64_t object)
{
	struct place place = of_frame(heap, word(heap, object + PYTHON_TRACEBACK_FRAME));

	place.unit = unit_of((uint32_t)word(heap, object + PYTHON_TRACEBACK_INSTRUCTION));
	return place;
}

static struct place of_function(struct py_heap *heap, uint64_t object)
{
	return (struct place){word(heap, object + PYTHON_FUNCTION_CODE), HF_PYTHON_NO_UNIT};
}

static struct place of_generator(struct py_heap *heap, uint64_t object)
{
	return (struct place){word(heap, object + heap->layout->generator_code), HF_PYTHON_NO_UNIT};
}

static const struct spot_type {
	const char *name;
	struct place (*find)(struct py_heap *heap, uint64_t object);
} spot_types[] = {
	{"function", of_function},         {"coroutine", of_generator}, {"generator", of_generator},
	{"async_generator", of_generator}, {"frame", of_frame},         {"traceback", of_traceback},
};

static const struct spot_type *find_type(const struct py_type *type)
{
	if (type->flags & PYTHON_FLAG_HEAP)
		return NULL;
	for (size_t i = 0; i < sizeof(spot_types) / sizeof(*spot_types); i++)
		if (!strcmp(spot_types[i].name, type->name))
			return &spot_types[i];
	return NULL;
}

bool py_has_spot(const struct py_heap *heap, uint32_t type)
{
	return find_type(&heap->types.items[type]) != NULL;
}

void py_spot_done(struct py_spot *spot)
{
	free(spot->function);
	free(spot->file);
	*spot = (struct py_spot){0};
}

/* Line @first is where the function begins. */
static int find_line(struct py_heap *heap, uint64_t table, uint32_t first, uint32_t unit,
		     uint32_t *ret)
{
	uint64_t bytes = word(heap, table + PYTHON_OBJECT_COUNT);
	struct python_code code = {.first_line = first};
	_cleanup_free_ uint8_t *lines = NULL;

	*ret = first;
	if (unit == HF_PYTHON_NO_UNIT || !bytes || bytes > PYTHON_LINES_MAX)
		return 0;
	lines = malloc(bytes);
	if (!lines)
		return -ENOMEM;
	if (!py_memory_copy(&heap->memory, table + PYTHON_BYTES_TEXT, lines, bytes))
		return 0;
	code.lines = lines;
	code.line_bytes = bytes;
	*ret = python_code_line(&code, unit);
	return 0;
}

int py_spot_read(struct py_heap *heap, uint32_t object, struct py_spot *ret)
{
	const struct hf_python *py = &heap->layout->frames;
	const struct spot_type *type = find_type(py_type_of(heap, object));
	struct py_spot spot = {0};
	struct place place;
	uint32_t first_line;
	uint64_t code;
	int err;

	if (!type)
		return -ENOENT;
	place = type->find(heap, heap->objects.items[object].address);
	code = place.code + HF_PYTHON_CODE_FROM;
	if (!place.code ||
	    word(heap, place.code + PYTHON_TYPE) != heap->runtime->types[PYTHON_CODE] ||
	    !py_memory_copy(&heap->memory, code + py->code_first_line, &first_line,
			    sizeof(first_line)))
		return -ENOENT;
	spot.function = py_object_text(heap, word(heap, code + py->code_name));
	spot.file = py_object_text(heap, word(heap, code + py->code_file));
	err = spot.function && spot.file ? 0 : -ENOENT;
	if (!err)
		err = find_line(heap, word(heap, code + py->code_lines), first_line, place.unit,
				&spot.line);
	if (err)
		py_spot_done(&spot);
	else
		*ret = spot;
	return err;
}

static uint64_t buffer_of(struct py_heap *heap, uint32_t object)
{
	static const uint16_t at[] = {[PY_LIST] = PYTHON_LIST_ITEMS,
				      [PY_DICT] = PYTHON_DICT_KEYS,
				      [PY_SET] = PYTHON_SET_TABLE,
				      [PY_DEQUE] = PYTHON_DEQUE_RIGHT};
	enum py_kind kind = py_type_of(heap, object)->kind;
	uint64_t buffer = kind < sizeof(at) / sizeof(*at) && at[kind]
				  ? word(heap, heap->objects.items[object].address + at[kind])
				  : 0;

	return buffer && !py_is_in_pool(heap, buffer) ? buffer : 0;
}

uint64_t py_holder_buffer(struct py_heap *heap, uint32_t object)
{
	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		const struct py_object *o = &heap->objects.items[object];
		uint64_t buffer;

		object = o->parent;
		/* What holds modules grows when one is imported. */
		if (object >= heap->objects.count || py_type_of(heap, object)->kind == PY_MODULE)
			return 0;
		/* But for the dict of an object's attributes. */
		buffer = heap->objects.items[object].edge == PY_EDGE_DICT ? 0
									  : buffer_of(heap, object);
		if (buffer)
			return buffer;
	}
	return 0;
}
