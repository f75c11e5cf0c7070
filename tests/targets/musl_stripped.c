// SPDX-License-Identifier: GPL-2.0-or-later
// build: musl -static apart
/* musl_stripped: plain_scenario with musl linked in and no symbol left. */
#include "plain_scenario.h"
