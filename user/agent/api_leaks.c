/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/api.h"
#include "agent/leak_detail.h"
#include "agent/leaks.h"

/* The query's target, if there is one. False: it was answered. */
static bool target_of_query(struct agent *agent, struct http_request *request, uint64_t *ret)
{
	struct agent_target *target;

	*ret = 0;
	if (!http_given(request, "target"))
		return true;
	*ret = api_find_target(agent, request, false, &target);
	return *ret;
}

int api_leaks(struct http_request *request, void *user)
{
	static const enum store_leak_state states[] = {STORE_LEAKS_ACTIVE, STORE_LEAKS_CLEARED,
						       STORE_LEAKS_ALL, STORE_LEAKS_AT_END};
	struct agent *agent = user;
	struct store_leak_query query = {
		.state = states[http_choice(request, "state")],
		.after = api_cursor(request),
		.limit = (size_t)http_integer(request, "limit"),
	};
	struct store_leaks leaks;
	struct json_out *json;
	int err;

	if (!target_of_query(agent, request, &query.target))
		return HTTP_ANSWERED;
	/* Whether a target has ended may not be in the file yet. */
	if (query.state == STORE_LEAKS_AT_END)
		store_commit(agent->store);
	err = store_list_leaks(agent->store, &query, &leaks);
	if (err)
		return api_answer_errno(request, err, "the leaks can't be read");
	json = http_json(request);
	json_out_begin_array(json, "leaks");
	for (size_t i = 0; i < leaks.count; i++) {
		json_out_begin_object(json, NULL);
		leak_put_json(&leaks.items[i], json);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	api_put_cursor(json, leaks.next);
	store_leaks_done(&leaks);
	return http_answer_composed(request, 200);
}

static int answer_cleared(struct http_request *request, size_t cleared)
{
	json_out_u64(http_json(request), "cleared", cleared);
	return http_answer_composed(request, 200);
}

int api_clear_leaks(struct http_request *request, void *user)
{
	uint64_t target;

	if (!target_of_query(user, request, &target))
		return HTTP_ANSWERED;
	return answer_cleared(request, leaks_clear(user, NULL, target));
}

int api_clear_leak(struct http_request *request, void *user)
{
	size_t cleared = leaks_clear(user, http_text(request, "leak"), 0);

	return cleared ? answer_cleared(request, cleared)
		       : api_answer_missing(request, "active leak");
}
