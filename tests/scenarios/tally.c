// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared python
/* tally: an extension module for extension.py. tally.note(line, forget) keeps a copy of the line; the
 * one before is freed, unless it is told to forget it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static char *latest;

__attribute__((noipa)) static char *tally_copy(const char *line, Py_ssize_t length)
{
	char *copy = malloc((size_t)length + 1);

	__asm__ volatile("" : "+r"(copy) : : "memory");
	if (copy)
		memcpy(copy, line, (size_t)length + 1);
	return copy;
}

static PyObject *tally_note(PyObject *module, PyObject *arguments)
{
	const char *line;
	Py_ssize_t length;
	int forget;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "s#p", &line, &length, &forget))
		return NULL;
	if (!forget)
		free(latest);
	latest = tally_copy(line, length);
	if (!latest)
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"note", tally_note, METH_VARARGS, "note(line, forget)"},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "tally", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_tally(void)
{
	return PyModule_Create(&definition);
}
