/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the same in all versions of CPython that layout.h knows: offsets and sizes in bytes, and flags. Sources as there.
 */
#ifndef HOLDFAST_PYTHON_OBJECT_LAYOUT_H
#define HOLDFAST_PYTHON_OBJECT_LAYOUT_H

/* Any object. PYTHON_OBJECT_COUNT: PyVarObject, and a str's length. */
#define PYTHON_REFERENCES   0
#define PYTHON_TYPE         8
#define PYTHON_OBJECT_BYTES 16
#define PYTHON_OBJECT_COUNT 16

/* What stands before an object: of those that can be in circles the collector's head (the next and the previous one), and before
 * that of instances of a class two words: the later is their dict's. */
#define PYTHON_GC_HEAD    16
#define PYTHON_PRE_HEADER 32
#define PYTHON_DICT_WORD  24

#define PYTHON_STR_STATE 32
/* Of that: bytes of a character; its text stands behind its head; it is ASCII. */
#define PYTHON_STR_KIND(state) ((state) >> 2 & 7)
#define PYTHON_STR_COMPACT     (1u << 5)
#define PYTHON_STR_ASCII       (1u << 6)
#define PYTHON_BYTES_TEXT      32
#define PYTHON_TUPLE_ITEMS     24
#define PYTHON_LIST_ITEMS      24 /* a pointer */
#define PYTHON_LIST_ROOM       32 /* how many fit */
#define PYTHON_BYTEARRAY_ROOM  24
#define PYTHON_MODULE_DICT     16
#define PYTHON_CELL_CONTENT    16

/* PyFunctionObject; _PyInterpreterFrame: its variables */
#define PYTHON_FUNCTION_CODE    48
#define PYTHON_FUNCTION_CLOSURE 72
#define PYTHON_FRAME_LOCALS     72

/* PyFrameObject; PyTracebackObject: an int, in bytes from the code's beginning */
#define PYTHON_FRAME_OBJECT_FRAME    24
#define PYTHON_TRACEBACK_FRAME       24
#define PYTHON_TRACEBACK_INSTRUCTION 32

/* PyDictObject; PyDictKeysObject: a byte: log2 of its size; one: log2 of the index's bytes; one: the kind;
 * how many more entries fit, how many there are */
#define PYTHON_DICT_KEYS      32
#define PYTHON_DICT_VALUES    40
#define PYTHON_KEYS_LOG2_SIZE 8
#define PYTHON_KEYS_USABLE    16
#define PYTHON_KEYS_COUNT     24
#define PYTHON_KEYS_INDEX     32

#define PYTHON_SET_MASK  32
#define PYTHON_SET_TABLE 40
#define PYTHON_SET_SMALL 64

/* collections.deque: blocks of a link back, 64 items, a link on (Modules/_collectionsmodule.c) */
#define PYTHON_DEQUE_LEFT  24
#define PYTHON_DEQUE_RIGHT 32
#define PYTHON_DEQUE_INDEX 40 /* of the first item in the left block */
#define PYTHON_DEQUE_BYTES 72
#define PYTHON_DEQUE_ROOM  64
#define PYTHON_DEQUE_ITEMS 8
#define PYTHON_DEQUE_NEXT  520
#define PYTHON_DEQUE_BLOCK 528

/* PyWeakReference: what it is to, which it does not hold */
#define PYTHON_WEAK_TO       16
#define PYTHON_WEAK_CALLBACK 24

#define PYTHON_TYPE_NAME        24
#define PYTHON_TYPE_BASIC_SIZE  32
#define PYTHON_TYPE_ITEM_SIZE   40
#define PYTHON_TYPE_FLAGS       168
#define PYTHON_TYPE_WEAK_OFFSET 208
#define PYTHON_TYPE_MEMBERS     240
#define PYTHON_TYPE_BASE        256
#define PYTHON_TYPE_DICT        264
#define PYTHON_TYPE_DICT_OFFSET 288
#define PYTHON_TYPE_BYTES       408 /* at least */

#define PYTHON_FLAG_INLINE_VALUES (1u << 2) /* since 3.13 */
#define PYTHON_FLAG_MANAGED_WEAK  (1u << 3) /* since 3.12 */
#define PYTHON_FLAG_MANAGED_DICT  (1u << 4)
#define PYTHON_FLAG_HEAP          (1u << 9)
#define PYTHON_FLAG_GC            (1u << 14)
#define PYTHON_FLAG_INT           (1u << 24)
#define PYTHON_FLAG_LIST          (1u << 25)
#define PYTHON_FLAG_TUPLE         (1u << 26)
#define PYTHON_FLAG_BYTES         (1u << 27)
#define PYTHON_FLAG_STR           (1u << 28)
#define PYTHON_FLAG_DICT          (1u << 29)
#define PYTHON_FLAG_TYPE          (1u << 31)

/* struct _gc_runtime_state. A generation: its list's head, then two ints: the threshold, and how far it is. Of each one, three
 * words: collections, collected, uncollectable. */
#define PYTHON_GC_ENABLED          12
#define PYTHON_GC_GENERATIONS      24
#define PYTHON_GC_GENERATION_BYTES 24
#define PYTHON_GC_PERMANENT        104
#define PYTHON_GC_STATS            128
#define PYTHON_GC_COLLECTING       200
#define PYTHON_GC_GARBAGE          208
#define PYTHON_GC_BYTES            216
#define PYTHON_GENERATIONS         3

/* struct _gil_runtime_state: the thread state that had it last, and an int: whether it has it still */
#define PYTHON_GIL_HOLDER 8
#define PYTHON_GIL_LOCKED 16

/* struct pool_header of pymalloc: blocks of one size, a multiple of 16 up to 512 bytes. Ints: blocks in use, the arena's number, the
 * class, where the next block is carved, the last place for that. */
#define PYTHON_POOL_BYTES   16384
#define PYTHON_POOL_HEAD    48
#define PYTHON_POOL_USED    0
#define PYTHON_POOL_FREE    8 /* a pointer: the first free block */
#define PYTHON_POOL_ARENA   32
#define PYTHON_POOL_CLASS   36
#define PYTHON_POOL_NEXT    40
#define PYTHON_POOL_LAST    44
#define PYTHON_POOL_CLASSES 32
#define PYTHON_ARENA_BYTES  (1u << 20)

#endif
