// SPDX-License-Identifier: GPL-2.0-or-later
// build: musl
/* musl_dynamic: plain_scenario with musl as the shared libc. */
#include "plain_scenario.h"
