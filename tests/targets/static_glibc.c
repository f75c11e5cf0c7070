// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static
/* static_glibc: plain_scenario with glibc linked in, symbols kept. */
#include "plain_scenario.h"
