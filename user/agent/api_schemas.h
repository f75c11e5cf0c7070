/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the objects of the API look like. Constant data; see agent/http/route.h. */
#ifndef HOLDFAST_AGENT_API_SCHEMAS_H
#define HOLDFAST_AGENT_API_SCHEMAS_H

#include "agent/http/route.h"

#define API_SCHEMAS(X) \
	X(reload)      \
	X(health)      \
	X(status)      \
	X(target)      \
	X(targets)     \
	X(usage)       \
	X(trends)      \
	X(component)   \
	X(components)  \
	X(spans)       \
	X(profiles)    \
	X(trace)       \
	X(gc)          \
	X(leaks)       \
	X(cleared)     \
	X(session)     \
	X(sessions)    \
	X(snapshots)   \
	X(events)      \
	X(alerts)

#define X(name) extern const struct http_schema schema_##name;
API_SCHEMAS(X)
#undef X

#endif
