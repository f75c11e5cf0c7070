// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ctl_link.h"

#include <curl/curl.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"

#define ANSWER_MAX      ((size_t)64 << 20)
#define TOKEN_MAX       4096
#define CONNECT_MS      5000L
#define USUAL_MS        60000L /* the agent answers most things at once; a session waits for its trace */
#define SILENCE_S       60L /* a stream says something every 15 s */
#define DEFAULT_SOCKET  "/run/holdfast/agent.sock"
#define DEFAULT_ADDRESS "127.0.0.1:7654"
#define DEFAULT_PORT    7654
#define TEXT_MAX        600 /* of a line of an error that came from elsewhere */

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool plain(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* HOST or HOST:PORT; the host may be an IPv6 address in brackets. */
static int parse_host(const char *text, struct strbuf *url)
{
	const char *host_end = *text == '[' ? strchr(text, ']') : text;
	bool has_port = host_end && strchr(host_end, ':');

	if (!host_end || strpbrk(text, "/@?#"))
		return -EINVAL;
	strbuf_addf(url, "http://%s", text);
	if (!has_port)
		strbuf_addf(url, ":%d", DEFAULT_PORT);
	return 0;
}

int ctl_address_parse(const char *text, struct ctl_address *ret)
{
	int err = 0;

	if (!*text || !plain(text))
		return -EINVAL;
	if (begins(text, "unix:")) {
		if (text[5] != '/')
			return -EINVAL;
		strbuf_addstr(&ret->socket, text + 5);
		strbuf_addstr(&ret->url, "http://localhost");
	} else if (begins(text, "http://") || begins(text, "https://")) {
		strbuf_addstr(&ret->url, text);
		while (ret->url.len && ret->url.buf[ret->url.len - 1] == '/')
			strbuf_truncate(&ret->url, ret->url.len - 1);
	} else {
		err = parse_host(text, &ret->url);
	}
	return err ? err : ret->url.failed || ret->socket.failed ? -ENOMEM : 0;
}

void ctl_address_done(struct ctl_address *address)
{
	strbuf_done(&address->url);
	strbuf_done(&address->socket);
}

void ctl_link_done(struct ctl_link *link)
{
	ctl_address_done(&link->address);
	strbuf_done(&link->token);
}

static void find_address(const struct config *config, struct ctl_link *link)
{
	if (config->agent_address) {
		link->shown = config->agent_address;
		link->origin = "as --agent or HOLDFAST_AGENT says";
	} else if (config->source[OPT_listen] != CONFIG_DEFAULT) {
		link->shown = config->listen;
		link->origin = "as `listen` of the configuration says";
	} else if (!access(DEFAULT_SOCKET, F_OK)) {
		link->shown = "unix:" DEFAULT_SOCKET;
		link->origin = "because that socket is there, and no --agent was given";
	} else {
		link->shown = DEFAULT_ADDRESS;
		link->origin = "because no --agent was given, and there is no " DEFAULT_SOCKET;
	}
}

/* The agent's own token_file holds a hash, so the configuration's is of no use here. */
static int find_token(const struct config *config, struct ctl_link *link, struct hf_error *error)
{
	const char *variable = getenv("HOLDFAST_TOKEN");
	_cleanup_free_ char *text = NULL;
	size_t size, length;
	int err;

	if (config->source[OPT_token_file] != CONFIG_COMMAND_LINE) {
		strbuf_addstr(&link->token, variable ? variable : "");
	} else {
		err = file_read(config->token_file, TOKEN_MAX, &text, &size);
		if (err) {
			error_set_errno(error, HF_E_NOFILE, -err, "%s can't be read",
					config->token_file);
			error_why(error, "%s", strerror(-err));
			return error_fix(error, "give --token-file a file that holds the token");
		}
		length = strcspn(text, "\r\n");
		strbuf_add(&link->token, text, length);
	}
	if (plain(link->token.buf))
		return 0;
	error_set(error, HF_E_USAGE, "the token has a blank or a control character in it");
	return error_fix(error, "give the token itself, in one line");
}

int ctl_link_open(const struct config *config, struct ctl_link *link, struct hf_error *error)
{
	int err;

	find_address(config, link);
	err = ctl_address_parse(link->shown, &link->address);
	if (err == -ENOMEM)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (err) {
		error_set(error, HF_E_USAGE, "'%s' is no address of an agent", link->shown);
		return error_fix(error, "write HOST:PORT, unix:/PATH, http://… or https://…");
	}
	return find_token(config, link, error);
}

/* One line of an error; it comes from the network, and error_print() makes it safe. */
static const char *line_of(const json_t *error, const char *name)
{
	const char *text = json_string_value(json_object_get(error, name));

	return text ? text : "";
}

static enum hf_error_code code_of(const char *name)
{
	if (begins(name, "HF-E-")) {
		for (int code = HF_E_NONE + 1; code < HF_E_COUNT; code++) {
			if (!strcmp(name + 5, error_code_name((enum hf_error_code)code)))
				return (enum hf_error_code)code;
		}
	}
	return HF_E_INTERNAL;
}

static void explain(const json_t *told, long status, struct hf_error *error)
{
	error_set(error, code_of(line_of(told, "code")), "%.*s", TEXT_MAX,
		  *line_of(told, "what") ? line_of(told, "what")
					 : "the agent refuses, and does not say why");
	if (*line_of(told, "why"))
		error_why(error, "%.*s", TEXT_MAX, line_of(told, "why"));
	if (status == 401)
		error_fix(error, "give the token by --token-file FILE or in HOLDFAST_TOKEN");
	else if (*line_of(told, "fix"))
		error_fix(error, "%.*s", TEXT_MAX, line_of(told, "fix"));
}

int ctl_answer_error(const struct strbuf *answer, long status, struct hf_error *error)
{
	json_t *document, *told;
	int err = 0;

	if (status >= 200 && status < 300)
		return 0;
	document = json_loadb(answer->buf, answer->len, 0, NULL);
	told = json_object_get(document, "error");
	if (json_is_object(told)) {
		explain(told, status, error);
		err = error ? error->err : -EIO;
	} else if (!json_is_object(document)) {
		error_set(error, HF_E_BADFILE, "what answers there is no agent of holdfast");
		error_why(error, "it answers with status %ld, and not in JSON", status);
		err = error_fix(error, "name the agent's address: --agent ADDRESS");
	}
	json_decref(document);
	return err;
}

void ctl_add_escaped(struct strbuf *out, const char *text)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~";

	for (; *text; text++) {
		if (strchr(safe, *text))
			strbuf_addch(out, *text);
		else
			strbuf_addf(out, "%%%02X", (unsigned char)*text);
	}
}

/* One exchange: where its bytes go. */
struct exchange {
	const struct ctl_link *link;
	CURL *easy;
	struct curl_slist *headers;
	struct strbuf url;
	struct strbuf answer;
	ctl_bytes_fn take; /* NULL: into the answer */
	void *user;
	bool too_long, stopped;
	char reason[CURL_ERROR_SIZE];
};

static void exchange_done(struct exchange *x)
{
	curl_slist_free_all(x->headers);
	curl_easy_cleanup(x->easy);
	strbuf_done(&x->url);
	strbuf_done(&x->answer);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *user)
{
	struct exchange *x = user;
	size_t got = size * count;
	long status = 0;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (x->take && status == 200) {
		x->stopped = x->take(bytes, got, x->user) != 0;
		return x->stopped ? 0 : got;
	}
	x->too_long = got > ANSWER_MAX - x->answer.len;
	return x->too_long || strbuf_add(&x->answer, bytes, got) ? 0 : got;
}

static void add_header(struct exchange *x, const char *header)
{
	struct curl_slist *longer = curl_slist_append(x->headers, header);

	if (longer)
		x->headers = longer;
}

static int prepare(struct exchange *x, const char *path, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf bearer = STRBUF_INIT;
	const struct ctl_link *link = x->link;

	x->easy = curl_easy_init();
	strbuf_addf(&x->url, "%s%s", link->address.url.buf, path);
	strbuf_addf(&bearer, "Authorization: Bearer %s", link->token.buf);
	if (!x->easy || x->url.failed || bearer.failed)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (link->token.len)
		add_header(x, bearer.buf);
	curl_easy_setopt(x->easy, CURLOPT_URL, x->url.buf);
	curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(x->easy, CURLOPT_USERAGENT, "holdfast/" HF_VERSION);
	curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->reason);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	if (link->address.socket.len)
		curl_easy_setopt(x->easy, CURLOPT_UNIX_SOCKET_PATH, link->address.socket.buf);
	return 0;
}

static int unreachable(const struct exchange *x, CURLcode result, struct hf_error *error)
{
	const struct ctl_link *link = x->link;
	const char *reason = *x->reason ? x->reason : curl_easy_strerror(result);
	long number = 0;

	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &number);
	if (x->too_long) {
		error_set(error, HF_E_BADFILE, "the answer is longer than 64 MiB");
		return error_fix(error, "ask for less, or look whether %s is an agent",
				 link->shown);
	}
	if (number == EACCES || number == EPERM) {
		error_set(error, HF_E_PERM, "the agent at %s may not be asked", link->shown);
		error_why(error, "%s", strerror((int)number));
		return error_fix(error, "ask as root, or as who may write to that socket");
	}
	if (result == CURLE_OPERATION_TIMEDOUT)
		error_set(error, HF_E_NOFILE, "the agent at %s does not answer in time",
			  link->shown);
	else
		error_set(error, HF_E_NOFILE, "no agent answers at %s", link->shown);
	error_why(error, "%s; it was looked for there %s", number ? strerror((int)number) : reason,
		  link->origin);
	return error_fix(error, "start one: sudo holdfast agent --config FILE; or say where it is: "
				"--agent ADDRESS");
}

int ctl_link_ask(const struct ctl_link *link, const struct ctl_request *request, struct strbuf *ret,
		 struct hf_error *error)
{
	_cleanup_(exchange_done) struct exchange x = {
		.link = link, .url = STRBUF_INIT, .answer = STRBUF_INIT};
	long status = 0;
	CURLcode result;
	int err = prepare(&x, request->path, error);

	if (err)
		return err;
	if (request->body) {
		add_header(&x, "Content-Type: application/json");
		curl_easy_setopt(x.easy, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(x.easy, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
	}
	if (request->method) {
		add_header(&x, "X-Holdfast: 1"); /* no page in a browser made it */
		curl_easy_setopt(x.easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
	curl_easy_setopt(x.easy, CURLOPT_HTTPHEADER, x.headers);
	curl_easy_setopt(x.easy, CURLOPT_TIMEOUT_MS,
			 USUAL_MS + (long)(request->wait_ns / NS_PER_MS));
	result = curl_easy_perform(x.easy);
	if (result != CURLE_OK)
		return unreachable(&x, result, error);
	curl_easy_getinfo(x.easy, CURLINFO_RESPONSE_CODE, &status);
	err = ctl_answer_error(&x.answer, status, error);
	if (!err && strbuf_add(ret, x.answer.buf, x.answer.len))
		err = error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	return err;
}

int ctl_link_stream(const struct ctl_link *link, const char *path, ctl_bytes_fn take, void *user,
		    struct hf_error *error)
{
	_cleanup_(exchange_done) struct exchange x = {
		.link = link,
		.url = STRBUF_INIT,
		.answer = STRBUF_INIT,
		.take = take,
		.user = user,
	};
	long status = 0;
	CURLcode result;
	int err = prepare(&x, path, error);

	if (err)
		return err;
	curl_easy_setopt(x.easy, CURLOPT_HTTPHEADER, x.headers);
	curl_easy_setopt(x.easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(x.easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	result = curl_easy_perform(x.easy);
	if (x.stopped)
		return 0;
	curl_easy_getinfo(x.easy, CURLINFO_RESPONSE_CODE, &status);
	if (!status)
		return unreachable(&x, result, error);
	err = ctl_answer_error(&x.answer, status, error);
	if (err)
		return err;
	error_set(error, HF_E_DETACHED, "the agent at %s has ended the stream", link->shown);
	error_why(error, "%s", *x.reason ? x.reason : "it ends, or has too many of them");
	return error_fix(error, "look at `holdfast ctl status`, and follow again");
}
