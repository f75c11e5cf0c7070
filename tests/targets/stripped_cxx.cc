// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static apart -pthread
/* stripped_cxx: cxx_new with glibc and libstdc++ linked in and no symbol left. */
#include "cxx_new.cc"
