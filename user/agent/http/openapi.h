/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * openapi.h - the table of routes as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), in JSON.
 *
 * Every route that is not HTTP_HIDDEN is in it, with its parameters, body, answer and the errors that every route
 * can give. Pure; any thread.
 */
#ifndef HF_AGENT_HTTP_OPENAPI_H
#define HF_AGENT_HTTP_OPENAPI_H

#include "agent/http/route.h"
#include "report/export/sink.h"

/* `version`: of the program. Does not finish the sink. */
void http_openapi_write(const struct http_table *table, const char *version, struct sink *sink);

#endif
