// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libtcmalloc_minimal.so -ltcmalloc_minimal -pthread
/* tcmalloc_shared: cxx_new, linked with tcmalloc. */
#include "cxx_new.cc"
