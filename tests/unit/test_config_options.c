/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables themselves, the help made from them, and suggestions. */
#include "config/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "config/config.h"
#include "config/value.h"

static char printed[8192];

/* What was printed, until the next call. `command` NULL: the overview. */
static char *help_of(const struct command_row *command)
{
	FILE *out = fmemopen(printed, sizeof(printed), "w");

	if (command)
		config_print_help(command, out);
	else
		config_print_overview(out);
	assert_true(ftell(out) < (long)sizeof(printed) - 1);
	fclose(out);
	return printed;
}

static size_t widest_line(const char *text, size_t *ret_lines)
{
	size_t widest = 0, width = 0;

	for (*ret_lines = 0; *text; text++) {
		width = *text == '\n' ? 0 : width + 1;
		widest = width > widest ? width : widest;
		*ret_lines += *text == '\n';
	}
	return widest;
}

static void the_help_of_each_command_fits_a_screen_and_has_an_example(void **state)
{
	(void)state;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char *text = help_of(&command_rows[i]), usage[64], example[64];
		size_t lines, widest = widest_line(text, &lines);

		snprintf(usage, sizeof(usage), "usage: holdfast %s", command_rows[i].name);
		snprintf(example, sizeof(example), "\nexample  holdfast %s", command_rows[i].name);
		if (widest > 80 || lines > 24)
			fail_msg("%s: %zu lines, %zu columns", command_rows[i].name, lines, widest);
		assert_ptr_equal(strstr(text, usage), text);
		assert_non_null(strstr(text, example));
	}
}

static void the_overview_lists_every_command_and_tells_which_are_not_built(void **state)
{
	char *text = help_of(NULL), line[160];
	size_t lines;

	(void)state;
	assert_true(widest_line(text, &lines) <= 80);
	assert_true(lines <= 40);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		snprintf(line, sizeof(line), "\n  %-8s %s%s\n", command_rows[i].name,
			 command_rows[i].help, command_rows[i].built ? "" : " (not built yet)");
		assert_non_null(strstr(text, line));
	}
}

static void every_option_is_in_the_help_of_its_commands_and_in_no_other(void **state)
{
	(void)state;
	for (size_t c = 0; c < COMMAND_COUNT; c++) {
		char *text = help_of(&command_rows[c]);
		/* the example may name any */
		char *example = strstr(text, "\nexample");

		*example = '\0';
		for (size_t i = 0; i < OPTION_COUNT; i++) {
			char name[64];
			const char *at;

			snprintf(name, sizeof(name), "--%s", option_rows[i].name);
			at = strstr(text, name);
			while (at && (isalnum((unsigned char)at[strlen(name)]) ||
				      at[strlen(name)] == '-'))
				at = strstr(at + 1, name);
			assert_int_equal(at != NULL,
					 option_applies(&option_rows[i], &command_rows[c]));
		}
	}
}

static void the_help_shows_the_default_that_the_command_has(void **state)
{
	(void)state;
	assert_non_null(strstr(help_of(&command_rows[COMMAND_hunt]), "at most this long (60s)"));
	assert_non_null(
		strstr(help_of(&command_rows[COMMAND_attach]), "at most this long (forever)"));
}

/* Each of these is looked at in vain by a command that takes it: it must be refused there. */
static void options_that_a_command_does_not_use_are_not_its_options(void **state)
{
	static const struct {
		enum option_id option;
		enum command_id command;
	} unused[] = {
		{OPT_max_stop_ns, COMMAND_report},
		{OPT_frames, COMMAND_attach},
		{OPT_frames, COMMAND_diff},
		{OPT_show_content, COMMAND_attach},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
		assert_false(option_applies(&option_rows[unused[i].option],
					    &command_rows[unused[i].command]));
	assert_true(option_applies(&option_rows[OPT_show_content], &command_rows[COMMAND_ps]));
}

static void names_letters_and_keys_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		for (const char *c = option_rows[i].name; *c; c++)
			assert_true(islower((unsigned char)*c) || *c == '-');
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(option_rows[i].name, option_rows[j].name);
			if (option_rows[i].short_name)
				assert_int_not_equal(option_rows[i].short_name,
						     option_rows[j].short_name);
		}
	}
}

static void the_commands_of_an_option_exist(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char *words = strdup(option_rows[i].commands), *rest = words, *word;

		while ((word = strsep(&rest, " "))) {
			struct hf_error err = HF_ERROR_INIT;

			if (strcmp(word, "*") != 0 && !command_find(word, &err))
				fail_msg("--%s: no command '%s'", option_rows[i].name, word);
			error_done(&err);
		}
		free(words);
	}
}

static void ranges_and_defaults_are_values_of_their_kind(void **state)
{
	const struct value_place place = {CONFIG_COMMAND_LINE, "x"};

	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		const char *dots = strstr(row->range, "..");
		struct hf_error err = HF_ERROR_INIT;
		struct config c;
		char *low, *high;

		assert_int_equal(config_init(&c), 0);
		if (*row->initial)
			assert_int_equal(
				value_set(&c, (enum option_id)i, row->initial, &place, &err), 0);
		assert_int_equal(*row->arg != '\0',
				 row->kind != OPTION_FLAG && row->kind != OPTION_ACTION);
		if (dots) {
			/* both ends are allowed themselves */
			low = strndup(row->range, (size_t)(dots - row->range));
			high = strndup(dots + 2, strcspn(dots + 2, "|"));
			assert_int_equal(value_set(&c, (enum option_id)i, low, &place, &err), 0);
			assert_int_equal(value_set(&c, (enum option_id)i, high, &place, &err), 0);
			free(low);
			free(high);
		} else if (row->kind == OPTION_CHOICE || row->kind == OPTION_ENUM ||
			   row->kind == OPTION_SET) {
			assert_non_null(strchr(row->range, '|'));
		} else {
			assert_true(row->kind != OPTION_SIZE && row->kind != OPTION_DURATION &&
				    row->kind != OPTION_PERCENT && row->kind != OPTION_NUMBER);
		}
		config_done(&c);
	}
}

static void a_lesser_source_does_not_override(void **state)
{
	const struct value_place cli = {CONFIG_COMMAND_LINE, "--x"},
				 file = {CONFIG_FILE, "f:1:1: x"};
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(value_set(&c, OPT_html, "a", &cli, &err), 0);
	assert_int_equal(value_set(&c, OPT_html, "b", &file, &err), 0);
	assert_string_equal(c.html, "a");
	assert_int_equal(value_set(&c, OPT_html, "c", &cli, &err), 0);
	assert_string_equal(c.html, "c");
	value_clear(&c, OPT_html);
	assert_null(c.html);
	config_done(&c);
}

static void typing_errors_find_the_name_that_was_meant(void **state)
{
	static const char *const names[] = {"budget",  "for",        "frames", "free",
					    "fail-on", "fail-above", "html",   "speedscope"};
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{"bugdet", "budget"},
		{"budgte", "budget"},
		{"budge", "budget"},
		{"fro", "for"},
		{"fram", "frames"},
		{"htlm", "html"},
		{"speed", "speedscope"},
		{"spee", "speedscope"},
		{"fail-onn", "fail-on"},
		{"nonsense", NULL},
		{"x", NULL},
		{"", NULL},
		{"fail", NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found =
			nearest_name(cases[i].typed, names, sizeof(names) / sizeof(names[0]));

		if (cases[i].meant && found)
			assert_string_equal(found, cases[i].meant);
		else if (found != cases[i].meant)
			fail_msg("'%s' gave '%s'", cases[i].typed, found ? found : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_help_of_each_command_fits_a_screen_and_has_an_example),
		cmocka_unit_test(the_overview_lists_every_command_and_tells_which_are_not_built),
		cmocka_unit_test(every_option_is_in_the_help_of_its_commands_and_in_no_other),
		cmocka_unit_test(the_help_shows_the_default_that_the_command_has),
		cmocka_unit_test(options_that_a_command_does_not_use_are_not_its_options),
		cmocka_unit_test(names_letters_and_keys_are_unique),
		cmocka_unit_test(the_commands_of_an_option_exist),
		cmocka_unit_test(ranges_and_defaults_are_values_of_their_kind),
		cmocka_unit_test(a_lesser_source_does_not_override),
		cmocka_unit_test(typing_errors_find_the_name_that_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
