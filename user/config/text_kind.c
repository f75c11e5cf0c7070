/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/text_kind.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "config/agent_config.h"
#include "config/alloc_spec.h"
#include "config/component_spec.h"
#include "config/span_spec.h"

#define COMM_MAX    15
#define HEX_LEAST   4
#define HEX_MOST    64
#define ARGUMENTS   6
#define PORT_MAX    65535
#define REGEX_NODES 50000
#define REGEX_DEPTH 32
#define USER_BUFFER (1 << 16)

static uint64_t maximum(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

static int refuse(struct strbuf *reason, const char *text)
{
	return strbuf_addstr(reason, text) ? -ENOMEM : -EINVAL;
}

bool text_kind_is_identifier(const char *text)
{
	if (!isalpha((unsigned char)*text) && *text != '_')
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && *text != '_')
			return false;
	}
	return true;
}

/* Behind the "[" of a bracket expression: its "]"; NULL if there is none. */
static const char *bracket_end(const char *at)
{
	if (*at == '!' || *at == '^')
		at++;
	if (*at == ']')
		at++;
	while (*at && *at != ']') {
		/* [:alpha:], [.x.], [=x=] */
		if (*at == '[' && (at[1] == ':' || at[1] == '.' || at[1] == '=')) {
			const char close[] = {at[1], ']', '\0'};
			const char *end = strstr(at + 2, close);

			if (end)
				at = end + 1;
		} else if (*at == '\\' && at[1]) {
			at++;
		}
		at++;
	}
	return *at ? at : NULL;
}

/* fnmatch(3) takes anything; what it would silently take literally is no glob here. */
static int check_glob(const char *text, struct strbuf *reason)
{
	if (!*text)
		return -EINVAL;
	if (has_control(text))
		return refuse(reason, "it has a control character");
	for (; *text; text++) {
		if (*text == '\\' && !*++text)
			return refuse(reason, "nothing follows the last \\");
		if (*text != '[')
			continue;
		text = bracket_end(text + 1);
		if (!text)
			return refuse(reason, "a [ has no ]");
	}
	return 0;
}

static int check_comm_glob(const char *text, struct strbuf *reason)
{
	if (strlen(text) > COMM_MAX && !strpbrk(text, "*?[\\"))
		return refuse(reason,
			      "the kernel keeps 15 bytes of such a name: it would match nothing");
	return check_glob(text, reason);
}

/*
 * About how many nodes regcomp(3) makes of an expression: it writes repetitions out, those within
 * others, too. Reads up to the end, or behind the ")" of a group.
 */
static uint64_t regex_nodes(const char **at, unsigned int depth)
{
	uint64_t total = 0, last = 0;

	while (**at && depth < REGEX_DEPTH && total + last <= REGEX_NODES) {
		char c = *(*at)++;
		const char *end;

		if (c == ')' && depth)
			break;
		if (c == '+') {
			last *= 2;
		} else if (c == '{') {
			uint64_t times = strtoul(*at, (char **)at, 10);

			if (**at == ',')
				times = maximum(times + 1, strtoul(*at + 1, (char **)at, 10));
			last *= maximum(times, 1);
		} else {
			total += last;
			last = c == '(' ? 1 + regex_nodes(at, depth + 1) : 1;
			end = c == '[' ? bracket_end(*at) : NULL;
			if (end)
				*at = end + 1;
			else if (c == '\\' && **at)
				(*at)++;
		}
	}
	return depth < REGEX_DEPTH ? total + last : REGEX_NODES + 1;
}

static int check_regex(const char *text, struct strbuf *reason)
{
	const char *at = text;
	char message[128];
	regex_t compiled;
	int err;

	if (!*text)
		return -EINVAL;
	if (regex_nodes(&at, 0) > REGEX_NODES)
		return refuse(reason, "its repetitions are too many, or nested too deeply");
	err = regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB);
	if (!err) {
		regfree(&compiled);
		return 0;
	}
	if (err == REG_ESPACE)
		return -ENOMEM;
	regerror(err, &compiled, message, sizeof(message));
	return refuse(reason, message);
}

static bool is_hex_id(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return !text[len] && len >= HEX_LEAST && len <= HEX_MOST;
}

/* "host", "host:80", "[::1]:80" */
static int check_host(const char *host, size_t len, struct strbuf *reason)
{
	_cleanup_free_ char *copy = strndup(host, len);
	char *name, *port;
	uint64_t number;

	if (!copy)
		return -ENOMEM;
	name = strrchr(copy, '@'); /* user:password@host */
	name = name ? name + 1 : copy;
	port = *name == '[' ? strchr(name, ']') : name;
	if (!port || (*name == '[' && port == name + 1))
		return refuse(reason, "a [ has no ], or nothing in them");
	port = strchr(port, ':');
	if (port)
		*port++ = '\0';
	if (!*name)
		return refuse(reason, "it names no host");
	if (port && (units_parse_u64(port, &number) || !number || number > PORT_MAX))
		return refuse(reason, "the port is no number from 1 to 65535");
	return 0;
}

static int check_url(const char *text, struct strbuf *reason)
{
	const char *host = strstr(text, "://");

	if (!*text)
		return -EINVAL;
	if (!host || ((host - text != 4 || strncasecmp(text, "http", 4) != 0) &&
		      (host - text != 5 || strncasecmp(text, "https", 5) != 0)))
		return refuse(reason, "it does not begin with http:// or https://");
	if (has_control(text) || strchr(text, ' '))
		return refuse(reason, "it has a blank or a control character");
	host += 3;
	return check_host(host, strcspn(host, "/?#"), reason);
}

/* The colon between module and function; "::" belongs to a C++ name. */
static const char *module_colon(const char *text)
{
	for (const char *c = strchr(text, ':'); c; c = strchr(c, ':')) {
		if (c[1] != ':')
			return c;
		c += 2;
	}
	return NULL;
}

static int check_function(const char *text, struct strbuf *reason)
{
	const char *colon = module_colon(text);

	if (!*text)
		return -EINVAL;
	if (has_control(text))
		return refuse(reason, "it has a control character");
	if (colon && (colon == text || !colon[1] || module_colon(colon + 1)))
		return refuse(reason, "one colon stands between a module and a function");
	return 0;
}

static int check_argument(const char *text, struct strbuf *reason)
{
	uint64_t number;

	if (!text_kind_is_identifier(text))
		return -EINVAL;
	if (!strncmp(text, "arg", 3) && !units_parse_u64(text + 3, &number) &&
	    (!number || number > ARGUMENTS))
		return refuse(reason, "arguments that registers hold are arg1 to arg6");
	return 0;
}

static bool is_word(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static int check_spec(enum option_kind kind, const char *text)
{
	_cleanup_(alloc_spec_done) struct alloc_spec allocator = {.module = NULL};
	_cleanup_(component_spec_done) struct component_spec component = {0};
	_cleanup_(span_spec_done) struct span_spec span = {0};

	switch (kind) {
	case OPTION_ALLOC_LIST:
		return alloc_spec_parse(text, &allocator);
	case OPTION_FREE_LIST:
		return free_spec_parse(text, &allocator);
	case OPTION_COMPONENT_LIST:
		return component_spec_parse(text, &component);
	default:
		return span_spec_parse(text, &span);
	}
}

int text_kind_check(enum option_kind kind, const char *text, struct strbuf *reason)
{
	struct listen_address address;

	switch (kind) {
	case OPTION_NAME:
		return *text && !has_control(text) ? 0 : -EINVAL;
	case OPTION_GLOB:
		return check_glob(text, reason);
	case OPTION_COMM_GLOB:
		return check_comm_glob(text, reason);
	case OPTION_REGEX:
		return check_regex(text, reason);
	case OPTION_HEX:
		return is_hex_id(text) ? 0 : -EINVAL;
	case OPTION_URL:
		return check_url(text, reason);
	case OPTION_FUNCTION:
		return check_function(text, reason);
	case OPTION_ARGUMENT:
		return check_argument(text, reason);
	case OPTION_WORD_LIST:
		return is_word(text) ? 0 : -EINVAL;
	case OPTION_ADDRESS:
		return listen_address_parse(text, &address);
	case OPTION_ALLOC_LIST:
	case OPTION_FREE_LIST:
	case OPTION_COMPONENT_LIST:
	case OPTION_SPAN_LIST:
		return check_spec(kind, text);
	default:
		return *text ? 0 : -EINVAL;
	}
}

int text_kind_user(const char *text, int64_t *ret_uid, struct strbuf *reason)
{
	_cleanup_free_ char *buffer = NULL;
	struct passwd entry, *found;
	uint64_t number;
	int err;

	if (!*text)
		return -EINVAL;
	if (!units_parse_u64(text, &number)) {
		if (number >= UINT32_MAX) /* the highest is (uid_t)-1, which is nobody's */
			return refuse(reason, "a uid is below 4294967295");
		*ret_uid = (int64_t)number;
		return 0;
	}
	buffer = malloc(USER_BUFFER);
	if (!buffer)
		return -ENOMEM;
	err = getpwnam_r(text, &entry, buffer, USER_BUFFER, &found);
	if (err == ENOMEM)
		return -ENOMEM;
	if (err || !found)
		return refuse(reason, "this machine has no such user");
	*ret_uid = entry.pw_uid;
	return 0;
}
