// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.a -l:libjemalloc.a -pthread
/* jemalloc_static: cxx_new with jemalloc linked in. */
#include "cxx_new.cc"
