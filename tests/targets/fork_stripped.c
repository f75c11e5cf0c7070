// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static apart
/* fork_stripped: fork_tree, a static program without symbols. */
#include "fork_tree.c"
