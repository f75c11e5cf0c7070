// SPDX-License-Identifier: GPL-2.0-or-later
// build: -static -s
/* static_stripped: plain_scenario with glibc linked in and no symbol left: nobody can find malloc here. */
#include "plain_scenario.h"
