// SPDX-License-Identifier: GPL-2.0-or-later
/* --alloc and --free: how a private allocator's functions take their arguments. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/event.h>

#include "process/target/allocator.h"

void allocator_spec_done(struct allocator_spec *spec)
{
	free(spec->symbol);
	spec->symbol = NULL;
}

static bool skip(const char **at, const char *word)
{
	size_t length = strlen(word);

	while (isspace((unsigned char)**at))
		(*at)++;
	if (strncmp(*at, word, length))
		return false;
	*at += length;
	return true;
}

/* "arg1" .. "arg6" -> 0 .. 5 */
static bool parse_argument(const char **at, uint8_t *ret)
{
	if (!skip(at, "arg") || **at < '1' || **at > '6')
		return false;
	*ret = *(*at)++ - '1';
	return true;
}

static bool parse_parameters(const char **at, struct hf_probe_cookie *cookie)
{
	if (!skip(at, "("))
		return false;
	do {
		uint8_t *where;

		if (skip(at, "size="))
			where = &cookie->size_arg;
		else if (skip(at, "count="))
			where = &cookie->count_arg;
		else if (skip(at, "ptr="))
			where = &cookie->pointer_arg;
		else
			return false;
		if (!parse_argument(at, where))
			return false;
	} while (skip(at, ","));
	return skip(at, ")");
}

/* "->ret" or "->*argN"; nothing for a free. */
static bool parse_result(const char **at, struct hf_probe_cookie *cookie, bool *ret_given)
{
	*ret_given = skip(at, "->");
	if (!*ret_given || skip(at, "ret"))
		return true;
	return skip(at, "*") && parse_argument(at, &cookie->result_arg);
}

static bool parse(const char *text, struct allocator_spec *spec)
{
	const char *at = text, *name;
	bool result;

	while (isspace((unsigned char)*at))
		at++;
	name = at;
	while (isalnum((unsigned char)*at) || *at == '_' || *at == '.' || *at == '$')
		at++;
	if (at == name)
		return false;
	spec->symbol = strndup(name, at - name);
	if (!spec->symbol || !parse_parameters(&at, &spec->cookie) ||
	    !parse_result(&at, &spec->cookie, &result) || !skip(&at, "") || *at)
		return false;
	if (!result) {
		spec->cookie.op = HF_OP_FREE;
		return spec->cookie.pointer_arg != HF_ARG_NONE;
	}
	spec->cookie.op = spec->cookie.pointer_arg == HF_ARG_NONE ? HF_OP_ALLOC : HF_OP_REALLOC;
	return spec->cookie.size_arg != HF_ARG_NONE;
}

int allocator_spec_parse(const char *text, unsigned int index, struct allocator_spec *ret,
			 struct hf_error *error)
{
	struct allocator_spec spec = {
		.cookie =
			{
				.function = HF_FN_CUSTOM + index,
				.size_arg = HF_ARG_NONE,
				.count_arg = HF_ARG_NONE,
				.pointer_arg = HF_ARG_NONE,
				.result_arg = HF_ARG_NONE,
			},
	};

	if (index < ALLOCATOR_SPECS_MAX && parse(text, &spec)) {
		*ret = spec;
		return 0;
	}
	allocator_spec_done(&spec);
	error_set(error, HF_E_USAGE, "'%s' does not say how a function allocates", text);
	error_why(
		error,
		"needed: NAME(size=argN[,count=argN][,ptr=argN])->ret or ->*argN, or NAME(ptr=argN) for a free; at most %d pairs",
		ALLOCATOR_SPECS_MAX);
	return error_fix(
		error, "for example --alloc 'my_alloc(size=arg1)->ret' --free 'my_free(ptr=arg1)'");
}
