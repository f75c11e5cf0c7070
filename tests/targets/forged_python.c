// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/*
 * forged_python: says that it is CPython 3.11, and its state leads nowhere: every word of it points into itself, at chance,
 * or, with FORGED=wild, anywhere. The current thread is this one, so frames are looked for: they go round in circles.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 16384, THREAD = 4096, FRAME = 8192 };

const uint32_t Py_Version = 0x030b02f0;
uint64_t _PyRuntime[WORDS], PyCode_Type[64], PyType_Type[64], PySet_Type[64], PyFrozenSet_Type[64],
	PyModule_Type[64], PyFunction_Type[64], PyCell_Type[64];

const char *Py_GetVersion(void)
{
	return "3.11.2 (forged)";
}

void *_PyEval_EvalFrameDefault(void *frame)
{
	return frame;
}

static void fill(uint64_t *words, size_t count, int wild)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t chance = (uint64_t)random() << 31 ^ (uint64_t)random();

		words[i] = wild ? chance << (chance % 17) : (uint64_t)&_PyRuntime[chance % WORDS];
	}
}

__attribute__((constructor)) static void forge(void)
{
	const char *how = getenv("FORGED");
	int wild = how && !strcmp(how, "wild");
	uint64_t self;

	srandom(3);
	fill(_PyRuntime, WORDS, wild);
	for (int i = 0; i < 64; i++)
		PyCode_Type[i] = PyType_Type[i] = (uint64_t)PyType_Type;
	__asm__("mov %%fs:0, %0" : "=r"(self));
	/* Python 3.11: runtime, thread, its C frame, its frame, that frame's code and what called it. */
	_PyRuntime[576 / 8] = (uint64_t)&_PyRuntime[THREAD];
	_PyRuntime[THREAD + 152 / 8] = self;
	_PyRuntime[THREAD + 56 / 8] = (uint64_t)&_PyRuntime[FRAME];
	_PyRuntime[FRAME + 8 / 8] = (uint64_t)&_PyRuntime[FRAME];
	_PyRuntime[FRAME + 48 / 8] = (uint64_t)&_PyRuntime[FRAME];
	if (!wild)
		_PyRuntime[FRAME + 32 / 8] = (uint64_t)&_PyRuntime[FRAME + 64];
}
