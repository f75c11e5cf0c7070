// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.a -static -l:libjemalloc.a -pthread apart
/* jemalloc_stripped: cxx_new, a static program with jemalloc and no symbol left. */
#include "cxx_new.cc"
