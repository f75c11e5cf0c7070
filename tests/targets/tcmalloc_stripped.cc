// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libtcmalloc_minimal.a -static -l:libtcmalloc_minimal.a -pthread apart
/* tcmalloc_stripped: cxx_new, a static program with tcmalloc and no symbol left. */
#include "cxx_new.cc"
