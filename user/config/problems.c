/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/problems.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void problem_done(struct config_problem *problem)
{
	free(problem->place);
	free(problem->what);
	free(problem->why);
}

void config_problems_done(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->list.count; i++)
		problem_done(&problems->list.items[i]);
	vec_done(&problems->list);
	problems->more = 0;
}

size_t config_problems_count(const struct config_problems *problems)
{
	return problems->list.count + problems->more;
}

static int add(struct config_problems *problems, const char *place, const char *what,
	       const char *why)
{
	struct config_problem problem = {.place = NULL};

	problem.place = strdup(place);
	problem.what = strdup(what);
	problem.why = strdup(why);
	if (problem.place && problem.what && problem.why && !vec_push(&problems->list, problem))
		return 0;
	problem_done(&problem);
	return -ENOMEM;
}

int config_problems_add(struct config_problems *problems, const char *place, const char *what,
			const char *why)
{
	if (problems->list.count < CONFIG_PROBLEMS_MAX)
		return add(problems, place, what, why);
	problems->more++;
	return 0;
}

int config_problems_add_at(struct config_problems *problems, const struct config_place *place,
			   const char *what, const char *why)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct config_problem *added;

	if (problems->list.count == CONFIG_PROBLEMS_MAX) {
		problems->more++;
		return 0;
	}
	strbuf_addf(&text, "%s:%zu:%zu", place->file, place->line, place->column);
	if (text.failed || add(problems, text.buf, what, why))
		return -ENOMEM;
	added = &problems->list.items[problems->list.count - 1];
	added->line = place->line;
	added->column = place->column;
	return 0;
}

static bool stands_behind(const struct config_problem *a, const struct config_problem *b)
{
	/* 0 wraps to the end */
	if (a->line != b->line)
		return a->line - 1 > b->line - 1;
	return a->column > b->column;
}

void config_problems_sort(struct config_problems *problems)
{
	struct config_problem *items = problems->list.items;

	for (size_t i = 1; i < problems->list.count; i++) {
		struct config_problem moved = items[i];
		size_t to = i;

		for (; to && stands_behind(&items[to - 1], &moved); to--)
			items[to] = items[to - 1];
		items[to] = moved;
	}
}

int config_problems_print(const struct config_problems *problems, struct strbuf *out)
{
	for (size_t i = 0; i < problems->list.count; i++) {
		const struct config_problem *problem = &problems->list.items[i];

		strbuf_add_printable(out, problem->place, strlen(problem->place));
		strbuf_addstr(out, ": ");
		strbuf_add_printable(out, problem->what, strlen(problem->what));
		if (*problem->why) {
			strbuf_addstr(out, "; ");
			strbuf_add_printable(out, problem->why, strlen(problem->why));
		}
		strbuf_addch(out, '\n');
	}
	if (problems->more)
		strbuf_addf(out, "… and %zu more\n", problems->more);
	return out->failed ? -ENOMEM : 0;
}

int config_problems_error(const struct config_problems *problems, struct hf_error *err)
{
	const struct config_problem *first = &problems->list.items[0];
	int result = error_set(err, HF_E_CONFIG, "%s: %s", first->place, first->what);

	if (*first->why)
		error_why(err, "%s", first->why);
	return result;
}
