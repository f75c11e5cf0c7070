// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.a -l:libjemalloc.a -lstdc++ -lm -ldl -pthread
/* heap_jemalloc_static: heap_blocks with jemalloc linked in. */
#include "heap_blocks.h"
