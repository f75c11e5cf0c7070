/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `holdfast ctl WORD...`: what its files share. The words stand in config/words.def; each is done by ctl_WORD(), which
 * returns the program's exit code, or -errno with the error set. Main thread.
 */
#ifndef HOLDFAST_CLI_CTL_H
#define HOLDFAST_CLI_CTL_H

#include <jansson.h>

#include "cli/ctl_link.h"
#include "cli/ctl_view.h"

struct ctl {
	const struct config *config;
	struct ctl_link link;
	struct ctl_view view;
	char *const *arguments; /* behind the word */
	size_t argument_count;
};

typedef int (*ctl_word_fn)(struct ctl *ctl, struct hf_error *error);

struct ctl_word {
	const char *name;
	const char *arguments; /* as ctl_help() shows them */
	size_t least, most;
	ctl_word_fn run;
};

#define WORD(name, ...) int ctl_##name(struct ctl *ctl, struct hf_error *error);
#include "config/words.def"
#undef WORD

/* NULL and HF_E_USAGE, with the nearest one, if there is no such word. */
const struct ctl_word *ctl_find_word(const char *name, struct hf_error *error);

/* The answer as JSON; the caller drops the reference. @text (or NULL) gets its bytes, too. */
int ctl_ask(struct ctl *ctl, const struct ctl_request *request, struct strbuf *text, json_t **ret,
	    struct hf_error *error);
/* Shows the screen (unless the JSON went to stdout), and writes the agent's JSON where --json says. */
int ctl_write(struct ctl *ctl, const struct strbuf *json, const struct strbuf *screen,
	      struct hf_error *error);

/* How a screen is made of an answer. */
typedef void (*ctl_screen_fn)(const struct ctl_view *view, const json_t *answer,
			      struct strbuf *out);

/* Asks, shows, writes: all that most words do. EXIT_DONE, or -errno. */
int ctl_show(struct ctl *ctl, const struct ctl_request *request, ctl_screen_fn screen,
	     struct hf_error *error);

/*
 * Which of the targets in the array `text` means: the one with this id; or the running one with this pid; or the only
 * running one of this name or comm, or else the only one that has ended. HF_E_NOPID, HF_E_USAGE with those that it may be.
 */
int ctl_pick_target(const json_t *targets, const char *text, uint64_t *ret_id,
		    struct hf_error *error);
/* "12" or "pid-34", as it stands in a path; asks the agent for its list if it must. */
int ctl_target(struct ctl *ctl, const char *text, struct strbuf *ret, struct hf_error *error);

static inline void ctl_json_freep(json_t **json)
{
	json_decref(*json);
}

#endif
