// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libjemalloc.so -Wl,--no-as-needed -ljemalloc
/* jemalloc_shared: cxx_new, linked with jemalloc. */
#include "cxx_new.cc"
