// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libtcmalloc_minimal.a -static -l:libtcmalloc_minimal.a -pthread
/* tcmalloc_alone: cxx_new, a static program with tcmalloc in place of libc's malloc. */
#include "cxx_new.cc"
