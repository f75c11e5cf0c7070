// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static apart -pthread
/* stripped_functions: alloc_functions with glibc linked in and no symbol left. */
#include "alloc_functions.c"
