// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static apart
/* private_stripped: private_alloc, a static program without symbols. */
#include "private_alloc.c"
