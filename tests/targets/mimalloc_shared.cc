// SPDX-License-Identifier: GPL-2.0-or-later
// build: needs:libmimalloc.so -Wl,--no-as-needed -lmimalloc
/* mimalloc_shared: cxx_new, linked with mimalloc. */
#include "cxx_new.cc"
