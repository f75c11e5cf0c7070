// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.a -static -l:libjemalloc.a -pthread
/* jemalloc_alone: cxx_new, a static program with jemalloc in place of libc's malloc. */
#include "cxx_new.cc"
