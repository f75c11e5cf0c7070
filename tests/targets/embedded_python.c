// SPDX-License-Identifier: GPL-2.0-or-later
// build: python needs:libpython3.11.so -lpython3.11
/* A C program that runs a script of Python: embedded_python SCRIPT [ARGUMENT ...]. The interpreter is that of libpython. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

int main(int argc, char **argv)
{
	PyConfig config;
	PyStatus status;

	PyConfig_InitPythonConfig(&config);
	status = PyConfig_SetBytesArgv(&config, argc, argv);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status))
		Py_ExitStatusException(status);
	return Py_RunMain();
}
