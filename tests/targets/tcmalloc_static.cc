// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libtcmalloc_minimal.a -l:libtcmalloc_minimal.a -pthread
/* tcmalloc_static: cxx_new with tcmalloc linked in. */
#include "cxx_new.cc"
