// SPDX-License-Identifier: GPL-2.0-or-later
// build: musl -pthread
/* heap_musl: heap_blocks with musl as the shared libc. */
#include "heap_blocks.h"
