// SPDX-License-Identifier: GPL-2.0-or-later
// build: musl -static
/* musl_static: plain_scenario with musl linked in. */
#include "plain_scenario.h"
