/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are our tables of CPython's layout those of the headers that this is compiled with?
 *
 *	cc -Iuser -Iinclude $(python3-config --includes) -I…/internal python_layout.c user/process/python/layout.c && ./a.out
 *
 * Prints each field that differs, and ends with 1 then.
 */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_dict.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_gc.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#include <stddef.h>
#include <stdio.h>

#include "process/python/layout.h"

#if PY_VERSION_HEX >= 0x030d0000
#define FRAME_CODE   f_executable
#define THREAD_TOP   current_frame
#define INSTRUCTION  instr_ptr
#define PENDING_LOCK mutex
#else
#define PENDING_LOCK lock
#define FRAME_CODE   f_code
#define THREAD_TOP   cframe
#define INSTRUCTION  prev_instr
#endif
#if PY_VERSION_HEX >= 0x030c0000
#define MODULES        imports.modules
#define MARK           owner
#define GENERATOR_CODE gi_iframe /* the frame's first word */
#else
#define MODULES        modules
#define MARK           is_entry
#define GENERATOR_CODE gi_code
#endif

struct check {
	const char *name;
	size_t ours, theirs;
};

#define FIELD(ours, type, field)                              \
	{                                                     \
#type "." #field, ours, offsetof(type, field) \
	}
#define SIZE(ours, type)                            \
	{                                           \
		"sizeof " #type, ours, sizeof(type) \
	}
#define VALUE(ours, name)                   \
	{                                   \
#name, ours, (size_t)(name) \
	}

static int compare(const struct check *checks, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count; i++)
		if (checks[i].ours != checks[i].theirs) {
			printf("%s: %zu, is %zu\n", checks[i].name, checks[i].ours,
			       checks[i].theirs);
			wrong++;
		}
	return wrong;
}

static int compare_versioned(const struct python_layout *l)
{
	const struct hf_python *f = &l->frames;
	const struct check checks[] = {
		FIELD(l->runtime_interpreters, _PyRuntimeState, interpreters.head),
		FIELD(l->interpreter_gc, PyInterpreterState, gc),
		FIELD(l->interpreter_modules, PyInterpreterState, MODULES),
		SIZE(l->interpreter_bytes, PyInterpreterState),
		SIZE(l->thread_bytes, PyThreadState),
		FIELD(l->generator_code, PyGenObject, GENERATOR_CODE),
		FIELD(l->class_keys, PyHeapTypeObject, ht_cached_keys),
		FIELD(l->code_names, PyCodeObject, co_localsplusnames),
		FIELD(l->code_name_count, PyCodeObject, co_nlocalsplus),
		FIELD(l->code_free_count, PyCodeObject, co_nfreevars),
		SIZE(l->ascii_text, PyASCIIObject),
		SIZE(l->other_text, PyCompactUnicodeObject),
		FIELD(f->interpreter_next, PyInterpreterState, next),
		FIELD(f->interpreter_threads, PyInterpreterState, threads.head),
		FIELD(f->thread_next, PyThreadState, next),
		FIELD(f->thread_id, PyThreadState, thread_id),
		FIELD(f->thread_frame, PyThreadState, THREAD_TOP),
#if PY_VERSION_HEX < 0x030c0000
		FIELD(l->gil, _PyRuntimeState, ceval.gil),
		FIELD(l->pending_lock, PyInterpreterState, ceval.pending.lock),
#else
		FIELD(l->gil, PyInterpreterState, ceval.gil),
		FIELD(l->pending_lock, _PyRuntimeState, ceval.pending_mainthread.PENDING_LOCK),
#endif
		FIELD(PYTHON_GIL_HOLDER, struct _gil_runtime_state, last_holder),
		FIELD(PYTHON_GIL_LOCKED, struct _gil_runtime_state, locked),
#if PY_VERSION_HEX < 0x030d0000
		FIELD(f->cframe_frame, _PyCFrame, current_frame),
		FIELD(f->cframe_previous, _PyCFrame, previous),
#endif
		FIELD(f->frame_code, _PyInterpreterFrame, FRAME_CODE),
		FIELD(f->frame_previous, _PyInterpreterFrame, previous),
		FIELD(f->frame_instruction, _PyInterpreterFrame, INSTRUCTION),
		FIELD(f->frame_mark, _PyInterpreterFrame, MARK),
		FIELD(PYTHON_FRAME_LOCALS, _PyInterpreterFrame, localsplus),
		FIELD(f->code_units, PyCodeObject, co_code_adaptive),
		FIELD(f->code_first_line + HF_PYTHON_CODE_FROM, PyCodeObject, co_firstlineno),
		FIELD(f->code_file + HF_PYTHON_CODE_FROM, PyCodeObject, co_filename),
		FIELD(f->code_name + HF_PYTHON_CODE_FROM, PyCodeObject, co_qualname),
		FIELD(f->code_lines + HF_PYTHON_CODE_FROM, PyCodeObject, co_linetable),
	};

	return compare(checks, sizeof(checks) / sizeof(*checks));
}

static int compare_objects(void)
{
	const struct check checks[] = {
		FIELD(PYTHON_TYPE, PyObject, ob_type),
		FIELD(PYTHON_OBJECT_COUNT, PyVarObject, ob_size),
		SIZE(PYTHON_GC_HEAD, PyGC_Head),
		FIELD(PYTHON_TUPLE_ITEMS, PyTupleObject, ob_item),
		FIELD(PYTHON_LIST_ITEMS, PyListObject, ob_item),
		FIELD(PYTHON_LIST_ROOM, PyListObject, allocated),
		FIELD(PYTHON_BYTES_TEXT, PyBytesObject, ob_sval),
		FIELD(PYTHON_BYTEARRAY_ROOM, PyByteArrayObject, ob_alloc),
		FIELD(PYTHON_CELL_CONTENT, PyCellObject, ob_ref),
		FIELD(PYTHON_FUNCTION_CODE, PyFunctionObject, func_code),
		FIELD(PYTHON_FUNCTION_CLOSURE, PyFunctionObject, func_closure),
		FIELD(PYTHON_DICT_KEYS, PyDictObject, ma_keys),
		FIELD(PYTHON_DICT_VALUES, PyDictObject, ma_values),
		FIELD(PYTHON_KEYS_LOG2_SIZE, struct _dictkeysobject, dk_log2_size),
		FIELD(PYTHON_KEYS_LOG2_SIZE + 1, struct _dictkeysobject, dk_log2_index_bytes),
		FIELD(PYTHON_KEYS_LOG2_SIZE + 2, struct _dictkeysobject, dk_kind),
		FIELD(PYTHON_KEYS_USABLE, struct _dictkeysobject, dk_usable),
		FIELD(PYTHON_KEYS_COUNT, struct _dictkeysobject, dk_nentries),
		FIELD(PYTHON_KEYS_INDEX, struct _dictkeysobject, dk_indices),
		FIELD(PYTHON_SET_MASK, PySetObject, mask),
		FIELD(PYTHON_SET_TABLE, PySetObject, table),
		FIELD(PYTHON_SET_SMALL, PySetObject, smalltable),
		FIELD(PYTHON_WEAK_TO, PyWeakReference, wr_object),
		FIELD(PYTHON_WEAK_CALLBACK, PyWeakReference, wr_callback),
	};

	return compare(checks, sizeof(checks) / sizeof(*checks));
}

static int compare_types(void)
{
	const struct check checks[] = {
		FIELD(PYTHON_TYPE_NAME, PyTypeObject, tp_name),
		FIELD(PYTHON_TYPE_BASIC_SIZE, PyTypeObject, tp_basicsize),
		FIELD(PYTHON_TYPE_ITEM_SIZE, PyTypeObject, tp_itemsize),
		FIELD(PYTHON_TYPE_FLAGS, PyTypeObject, tp_flags),
		FIELD(PYTHON_TYPE_WEAK_OFFSET, PyTypeObject, tp_weaklistoffset),
		FIELD(PYTHON_TYPE_MEMBERS, PyTypeObject, tp_members),
		FIELD(PYTHON_TYPE_BASE, PyTypeObject, tp_base),
		FIELD(PYTHON_TYPE_DICT, PyTypeObject, tp_dict),
		FIELD(PYTHON_TYPE_DICT_OFFSET, PyTypeObject, tp_dictoffset),
		VALUE(PYTHON_FLAG_MANAGED_DICT, Py_TPFLAGS_MANAGED_DICT),
#if PY_VERSION_HEX >= 0x030c0000
		VALUE(PYTHON_FLAG_MANAGED_WEAK, Py_TPFLAGS_MANAGED_WEAKREF),
#endif
#if PY_VERSION_HEX >= 0x030d0000
		VALUE(PYTHON_FLAG_INLINE_VALUES, Py_TPFLAGS_INLINE_VALUES),
		FIELD(8, struct _dictvalues, values),
#endif
		VALUE(PYTHON_FLAG_HEAP, Py_TPFLAGS_HEAPTYPE),
		VALUE(PYTHON_FLAG_GC, Py_TPFLAGS_HAVE_GC),
		VALUE(PYTHON_FLAG_INT, Py_TPFLAGS_LONG_SUBCLASS),
		VALUE(PYTHON_FLAG_LIST, Py_TPFLAGS_LIST_SUBCLASS),
		VALUE(PYTHON_FLAG_TUPLE, Py_TPFLAGS_TUPLE_SUBCLASS),
		VALUE(PYTHON_FLAG_BYTES, Py_TPFLAGS_BYTES_SUBCLASS),
		VALUE(PYTHON_FLAG_STR, Py_TPFLAGS_UNICODE_SUBCLASS),
		VALUE(PYTHON_FLAG_DICT, Py_TPFLAGS_DICT_SUBCLASS),
		VALUE(PYTHON_FLAG_TYPE, Py_TPFLAGS_TYPE_SUBCLASS),
	};

	return compare(checks, sizeof(checks) / sizeof(*checks));
}

static int compare_collector(void)
{
	const struct check checks[] = {
		FIELD(PYTHON_GC_ENABLED, struct _gc_runtime_state, enabled),
		FIELD(PYTHON_GC_GENERATIONS, struct _gc_runtime_state, generations),
		SIZE(PYTHON_GC_GENERATION_BYTES, struct gc_generation),
		FIELD(16, struct gc_generation, threshold),
		FIELD(20, struct gc_generation, count),
		FIELD(PYTHON_GC_PERMANENT, struct _gc_runtime_state, permanent_generation),
		FIELD(PYTHON_GC_STATS, struct _gc_runtime_state, generation_stats),
		SIZE(24, struct gc_generation_stats),
		FIELD(PYTHON_GC_COLLECTING, struct _gc_runtime_state, collecting),
		FIELD(PYTHON_GC_GARBAGE, struct _gc_runtime_state, garbage),
		VALUE(PYTHON_GENERATIONS, NUM_GENERATIONS),
#if PY_VERSION_HEX >= 0x030c0000
		FIELD(PYTHON_POOL_USED, struct pool_header, ref.count),
		FIELD(PYTHON_POOL_FREE, struct pool_header, freeblock),
		FIELD(PYTHON_POOL_ARENA, struct pool_header, arenaindex),
		FIELD(PYTHON_POOL_CLASS, struct pool_header, szidx),
		FIELD(PYTHON_POOL_NEXT, struct pool_header, nextoffset),
		FIELD(PYTHON_POOL_LAST, struct pool_header, maxnextoffset),
		SIZE(PYTHON_POOL_HEAD, struct pool_header),
		VALUE(PYTHON_POOL_BYTES, POOL_SIZE),
		VALUE(PYTHON_POOL_CLASSES, NB_SMALL_SIZE_CLASSES),
		VALUE(PYTHON_ARENA_BYTES, ARENA_SIZE),
#endif
	};

	return compare(checks, sizeof(checks) / sizeof(*checks));
}

int main(void)
{
	const struct python_layout *layout = python_layout_find(PY_VERSION_HEX);
	int wrong;

	if (!layout) {
		puts("no table for " PY_VERSION);
		return 1;
	}
	wrong = compare_versioned(layout) + compare_objects() + compare_types() +
		compare_collector();
	printf("%s: %d fields are wrong\n", PY_VERSION, wrong);
	return wrong != 0;
}
