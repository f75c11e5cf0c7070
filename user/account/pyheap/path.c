// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/dicts.h"

#define STEPS_MAX 4096 /* of a way; of a longer one the end is told */
#define SHOWN_MAX 24   /* names in it */
#define FEW_KEYS  8    /* a dict with so many entries is a record: its keys are told */
#define TEXT_MAX  60   /* bytes of a name */

struct path {
	struct py_heap *heap;
	struct strbuf *out;
	uint32_t steps[STEPS_MAX]; /* from the object to its root */
	size_t count;
};

static void add_text(struct path *p, const char *text)
{
	size_t length = strlen(text);

	strbuf_add_printable(p->out, text, length < TEXT_MAX ? length : TEXT_MAX);
	if (length > TEXT_MAX)
		strbuf_addstr(p->out, "...");
}

/* The text of a label that is a str. */
static char *label_text(const struct path *p, const struct py_object *object)
{
	return object->label < p->heap->objects.count
		       ? py_object_text(p->heap, p->heap->objects.items[object->label].address)
		       : NULL;
}

static bool add_label(struct path *p, const struct py_object *object, const char *before)
{
	_cleanup_free_ char *text = label_text(p, object);

	if (!text)
		return false;
	strbuf_addstr(p->out, before);
	add_text(p, text);
	return true;
}

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* A tuple of cells that belongs to a function: each is a variable of the function around it. */
static bool is_closure(const struct path *p, const struct py_object *tuple)
{
	return tuple->edge == PY_EDGE_SLOT && tuple->label == PYTHON_FUNCTION_CLOSURE / 8 &&
	       tuple->parent != PY_NO_OBJECT &&
	       py_type_of(p->heap, tuple->parent)->kind == PY_FUNCTION;
}

/* The name of a cell of the closure. */
static void add_variable(struct path *p, const struct py_object *tuple, uint64_t cell)
{
	struct py_memory *memory = &p->heap->memory;
	const struct python_layout *layout = p->heap->layout;
	uint64_t function = p->heap->objects.items[tuple->parent].address;
	uint64_t code = py_memory_word(memory, function + PYTHON_FUNCTION_CODE);
	uint64_t names = py_memory_word(memory, code + layout->code_names);
	_cleanup_free_ char *text = NULL;
	uint32_t total = 0, free_count = 0;

	(void)py_memory_copy(memory, code + layout->code_name_count, &total, sizeof(total));
	(void)py_memory_copy(memory, code + layout->code_free_count, &free_count,
			     sizeof(free_count));
	for (uint32_t i = 0; i < free_count && free_count <= total && i < SHOWN_MAX * 8; i++)
		if (py_memory_word(memory, tuple->address + PYTHON_TUPLE_ITEMS + 8ULL * i) == cell)
			text = py_object_text(
				p->heap,
				py_memory_word(memory, names + PYTHON_TUPLE_ITEMS +
							       8ULL * (total - free_count + i)));
	strbuf_addstr(p->out, ".<closure>.");
	add_text(p, text ? text : "?");
}

static void add_item(struct path *p, const struct py_object *object)
{
	const struct py_object *parent = &p->heap->objects.items[object->parent];
	const struct py_type *type = py_type_of(p->heap, object->parent);

	if (type->kind == PY_CELL)
		return;
	if (type->kind == PY_TUPLE && is_closure(p, parent))
		add_variable(p, parent, object->address);
	else
		strbuf_addstr(p->out, "[*]");
}

/* Of the dict of an instance, a module or a class its entries are attributes. */
static bool is_namespace(const struct py_object *dict)
{
	return dict->edge == PY_EDGE_DICT;
}

static void add_value(struct path *p, const struct py_object *object)
{
	const struct py_object *dict = &p->heap->objects.items[object->parent];
	struct py_keys keys;
	uint64_t values;

	if (is_namespace(dict) && add_label(p, object, "."))
		return;
	if (py_dict_read(p->heap, dict->address, &keys, &values) && keys.count <= FEW_KEYS &&
	    add_label(p, object, "['"))
		strbuf_addstr(p->out, "']");
	else
		strbuf_addstr(p->out, "[*]");
}

static void add_slot(struct path *p, const struct py_object *object)
{
	const struct py_type *type = py_type_of(p->heap, object->parent);

	/* The closure itself is told with its variable. */
	if (type->kind == PY_FUNCTION && object->label == PYTHON_FUNCTION_CLOSURE / 8)
		return;
	strbuf_addstr(p->out, ".<");
	add_text(p, last_part(type->name));
	strbuf_addch(p->out, '>');
}

static void add_frame_variable(struct path *p, const struct py_object *object)
{
	const struct hf_python *py = &p->heap->layout->frames;
	uint64_t code =
		object->parent == PY_NO_OBJECT ? 0 : p->heap->objects.items[object->parent].address;
	_cleanup_free_ char *name =
		code ? py_object_text(p->heap,
				      py_memory_word(&p->heap->memory,
						     code + HF_PYTHON_CODE_FROM + py->code_name))
		     : NULL;

	add_text(p, name ? name : "?");
	strbuf_addstr(p->out, "()");
	(void)add_label(p, object, ".");
}

static void add_native(struct path *p, const struct py_object *object)
{
	const struct py_memory *memory = &p->heap->memory;
	const struct mapping *mapping =
		object->label < memory->region_count
			? maps_find(&memory->maps, memory->regions[object->label].start)
			: NULL;
	const char *path = mapping ? mapping->path : "";
	const char *slash = strrchr(path, '/');

	strbuf_addstr(p->out, "<native memory");
	if (!strcmp(path, "[stack]") || !strcmp(path, "[heap]") || *path == '/') {
		strbuf_addstr(p->out, *path == '/' ? " of " : ": ");
		add_text(p, slash ? slash + 1 : path);
	}
	strbuf_addch(p->out, '>');
}

static void add_step(struct path *p, const struct py_object *object)
{
	switch ((enum py_edge)object->edge) {
	case PY_EDGE_ITEM:
		add_item(p, object);
		break;
	case PY_EDGE_KEY:
		strbuf_addstr(p->out, ".keys()[*]");
		break;
	case PY_EDGE_VALUE:
		add_value(p, object);
		break;
	case PY_EDGE_ATTRIBUTE:
		(void)add_label(p, object, ".");
		break;
	case PY_EDGE_SLOT:
		add_slot(p, object);
		break;
	case PY_EDGE_MODULE:
		(void)add_label(p, object, "");
		break;
	case PY_EDGE_LOCAL:
		add_frame_variable(p, object);
		break;
	case PY_EDGE_INTERPRETER:
		strbuf_addstr(p->out, "<interpreter>");
		break;
	case PY_EDGE_NATIVE:
		add_native(p, object);
		break;
	case PY_EDGE_DICT:
	case PY_EDGE_CLASS:
	case PY_EDGE_NONE:
		break;
	}
}

static bool is_root(const struct py_object *object)
{
	return object->edge >= PY_EDGE_MODULE;
}

/* From the root on. What repeats itself, as the links of a list do, is told once. */
static void write_steps(struct path *p)
{
	size_t shown = 0, last = p->out->len, last_length = 0;
	bool repeated = false;

	for (size_t i = p->count; i-- > 0;) {
		size_t begin = p->out->len, length;

		if (shown > SHOWN_MAX) {
			strbuf_addstr(p->out, "...");
			return;
		}
		add_step(p, &p->heap->objects.items[p->steps[i]]);
		length = p->out->len - begin;
		if (p->out->failed || !length)
			continue;
		if (length == last_length &&
		    !memcmp(p->out->buf + begin, p->out->buf + last, length)) {
			strbuf_truncate(p->out, begin);
			if (!repeated)
				strbuf_addch(p->out, '*');
			repeated = true;
			continue;
		}
		repeated = false;
		last = begin;
		last_length = length;
		shown++;
	}
}

int py_path_write(struct py_heap *heap, uint32_t object, struct strbuf *out)
{
	struct path p = {.heap = heap, .out = out};

	while (object != PY_NO_OBJECT && p.count < STEPS_MAX && heap->objects.items[object].seen) {
		const struct py_object *o = &heap->objects.items[object];

		p.steps[p.count++] = object;
		if (is_root(o)) {
			write_steps(&p);
			return out->failed ? -ENOMEM : 0;
		}
		object = o->parent;
	}
	if (p.count == STEPS_MAX) {
		strbuf_addstr(out, "...");
		write_steps(&p);
	}
	return out->failed ? -ENOMEM : 0;
}
