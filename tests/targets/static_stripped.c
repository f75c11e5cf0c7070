// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static apart
/* static_stripped: plain_scenario with glibc linked in and no symbol left. */
#include "plain_scenario.h"
