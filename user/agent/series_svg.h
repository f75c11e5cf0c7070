/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A series of the store as a picture. */
#ifndef HOLDFAST_AGENT_SERIES_SVG_H
#define HOLDFAST_AGENT_SERIES_SVG_H

#include "agent/store/samples.h"
#include "base/strbuf.h"

/* An SVG of RSS, USS and the traced heap over time, with axes, a legend and a text for who can't see it. */
void series_add_svg(const struct store_series *series, const char *title, struct strbuf *out);

#endif
