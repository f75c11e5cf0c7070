// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.so -Wl,--no-as-needed -ljemalloc -pthread
/* heap_jemalloc: heap_blocks with jemalloc as a library. */
#include "heap_blocks.h"
