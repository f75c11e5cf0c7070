// SPDX-License-Identifier: GPL-2.0-or-later
/* ctl: talks to the running agent. */
#include "cli/ctl.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/output.h"

static const struct ctl_word words[] = {
#define WORD(name, arguments, least, most, help) {#name, arguments, least, most, ctl_##name},
#include "config/words.def"
#undef WORD
};

#define WORD_COUNT (sizeof(words) / sizeof(*words))

const struct ctl_word *ctl_find_word(const char *name, struct hf_error *error)
{
	const char *names[WORD_COUNT], *near;

	for (size_t i = 0; i < WORD_COUNT; i++) {
		if (!strcmp(words[i].name, name))
			return &words[i];
		names[i] = words[i].name;
	}
	near = nearest_name(name, names, WORD_COUNT);
	error_set(error, HF_E_USAGE, "ctl has no word '%s'", name);
	if (near)
		error_fix(error, "did you mean %s? `holdfast ctl help` shows all", near);
	else
		error_fix(error, "`holdfast ctl help` shows all");
	return NULL;
}

int ctl_ask(struct ctl *ctl, const struct ctl_request *request, struct strbuf *text, json_t **ret,
	    struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf answer = STRBUF_INIT;
	json_error_t where;
	json_t *document;
	int err = ctl_link_ask(&ctl->link, request, &answer, error);

	if (err)
		return err;
	document = json_loadb(answer.buf, answer.len, 0, &where);
	if (!json_is_object(document)) {
		json_decref(document);
		error_set(error, HF_E_BADFILE, "what answers at %s is no agent of holdfast",
			  ctl->link.shown);
		error_why(error, "its answer is no object of JSON");
		return error_fix(error, "name the agent's address: --agent ADDRESS");
	}
	if (text)
		strbuf_add(text, answer.buf, answer.len);
	*ret = document;
	return 0;
}

int ctl_write(struct ctl *ctl, const struct strbuf *json, const struct strbuf *screen,
	      struct hf_error *error)
{
	const char *path = ctl->config->json;
	_cleanup_(strbuf_done) struct strbuf whole = STRBUF_INIT;
	int err = 0;

	if (path) {
		strbuf_add(&whole, json->buf, json->len);
		if (!json->len || json->buf[json->len - 1] != '\n')
			strbuf_addch(&whole, '\n');
		whole.failed |= json->failed;
		err = output_bytes(&whole, path, error);
	}
	if (err || (path && (!strcmp(path, "-") || ctl->config->quiet)))
		return err;
	return output_bytes(screen, "-", error);
}

int ctl_show(struct ctl *ctl, const struct ctl_request *request, ctl_screen_fn screen,
	     struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	int err = ctl_ask(ctl, request, &json, &answer, error);

	if (err)
		return err;
	screen(&ctl->view, answer, &text);
	err = ctl_write(ctl, &json, &text, error);
	return err ? err : EXIT_DONE;
}

static int check_count(const struct ctl_word *word, size_t given, struct hf_error *error)
{
	if (given >= word->least && given <= word->most)
		return 0;
	if (given < word->least)
		error_set(error, HF_E_USAGE, "%s lacks its arguments: %s", word->name,
			  word->arguments);
	else
		error_set(error, HF_E_USAGE, "%s takes %s", word->name,
			  word->most ? "fewer arguments" : "no arguments");
	return error_fix(error, "usage: holdfast ctl %s %s", word->name, word->arguments);
}

static void link_donep(struct ctl *ctl)
{
	ctl_link_done(&ctl->link);
}

int command_ctl(struct config *config, struct hf_error *error)
{
	const struct ctl_word *word = ctl_find_word(config->words.items[0], error);
	_cleanup_(link_donep) struct ctl ctl = {
		.config = config,
		.link = CTL_LINK_INIT,
		.arguments = config->words.items + 1,
		.argument_count = config->words.count - 1,
	};
	struct export_options options;
	int err = word ? check_count(word, ctl.argument_count, error) : -EINVAL;

	if (err)
		return err;
	output_options(config, &options);
	ctl.view = (struct ctl_view){
		.now_s = (double)clock_wall_ns() / NS_PER_S,
		.color = options.color,
	};
	err = word->run == ctl_help ? 0 : ctl_link_open(config, &ctl.link, error);
	return err ? err : word->run(&ctl, error);
}
