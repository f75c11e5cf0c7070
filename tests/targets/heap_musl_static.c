// SPDX-License-Identifier: GPL-2.0-or-later
// build: musl -static -s
/* heap_musl_static: heap_blocks with musl linked in, without symbols. */
#include "heap_blocks.h"
