/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - the tables of commands and settings (options.def) as C sees them.
 *
 * Constant data; any thread. Adding a setting or a command is one row in options.def.
 */
#ifndef HF_CONFIG_OPTIONS_H
#define HF_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

VEC_STRUCT(string_vec, char *);

/* X(kind, type of the field in struct config) */
#define OPTION_KINDS(X)                                                                    \
	X(FLAG, bool)          /* no argument */                                           \
	X(ACTION, bool)        /* the same, on the command line only: it is no setting */  \
	X(SWITCH, bool)        /* on or off */                                             \
	X(BOOL, bool)          /* true or false */                                         \
	X(SIZE, uint64_t)      /* bytes */                                                 \
	X(DURATION, uint64_t)  /* ns; "forever" is 0 */                                    \
	X(SECONDS, uint64_t)   /* ns; a bare number is seconds */                          \
	X(PERCENT, double)     /* 2% is 2.0 */                                             \
	X(RATE, double)        /* bytes per second */                                      \
	X(NUMBER, uint64_t)    /* "all" is UINT64_MAX */                                   \
	X(MEGABYTES, uint64_t) /* bytes, written as a number of 1,048,576 */               \
	X(MB_PER_MIN, double)  /* bytes per second, written as such a number per minute */ \
	X(STRING, char *)      /* NULL: not given */                                       \
	X(PATH, char *)        /* a file to read, or a folder; NULL: not given */          \
	X(OUTPUT, char *)      /* a file to write, "-" stdout */                           \
	X(OPT_OUTPUT, char *)  /* the same; "-" too if FILE is left out */                 \
	X(CHOICE, char *)      /* one of the choices; NULL: not given */                   \
	X(ENUM, int)           /* place of the word among the choices; -1: not given */    \
	X(SET, uint64_t)       /* repeatable; bit n: the n-th of the choices */            \
	X(ADDRESS, char *)     /* for listen_address_parse() */                            \
	X(ALLOC_LIST, struct string_vec)     /* repeatable; checked by alloc_spec.h */     \
	X(FREE_LIST, struct string_vec)      /* likewise */                                \
	X(COMPONENT_LIST, struct string_vec) /* by component_spec.h */                     \
	X(SPAN_LIST, struct string_vec)      /* by span_spec.h */

/* More that the records of the YAML file have: X(kind), its type beside it. */
#define RECORD_KINDS(X)                                                                \
	X(NAME)      /* char *: a label: a text without control characters */          \
	X(GLOB)      /* char *: for fnmatch(3) */                                      \
	X(COMM_GLOB) /* char *: the same, of at most 15 bytes if it has no wildcard */ \
	X(REGEX)     /* char *: POSIX extended */                                      \
	X(USER)      /* int64_t: uid; -1: not given */                                 \
	X(HEX)       /* char *: lower-case digits, 4 or more */                        \
	X(URL)       /* char *: http or https */                                       \
	X(FUNCTION)  /* char *: as in struct span_spec */                              \
	X(ARGUMENT)  /* char *: arg1 to arg6, or an identifier */                      \
	X(WORD_LIST) /* struct string_vec: words of small letters, digits, _ */        \
	X(LABELS)    /* struct fleet_label_vec: mapping from identifiers to texts */   \
	X(RECORD)    /* void *: no value: the record lies where the member is */       \
	X(RECORDS)   /* void *: a vector of records */

enum option_kind {
#define OPTION_KIND_ENUM(kind, ...) OPTION_##kind,
	OPTION_KINDS(OPTION_KIND_ENUM) RECORD_KINDS(OPTION_KIND_ENUM) OPTION_KIND_COUNT
#undef OPTION_KIND_ENUM
};

enum option_group { OPTION_GROUP_MAIN, OPTION_GROUP_MORE };

/* OPT_for_ns, OPT_budget_percent, … */
enum option_id {
#define DEFAULT(...)
#define COMMAND(...)
#define OPTION(field, ...) OPT_##field,
#include "config/options.def"
#undef DEFAULT
#undef OPTION
#undef COMMAND
	OPTION_COUNT
};

struct option_row {
	const char *name; /* without the dashes */
	char short_name;  /* 0: none */
	enum option_kind kind;
	const char *arg; /* what the help calls the argument; "" for a flag */
	const char *
		initial; /* the default as one would write it; "": not given. See option_initial() */
	const char *range;    /* "10ms..1d", "on|off", "1..256|all", or "" */
	const char *commands; /* words, or "*" */
	enum option_group group;
	const char *help;
	size_t offset; /* of the field in struct config */
	size_t size;   /* of that field */
};

extern const struct option_row option_rows[OPTION_COUNT];

/* COMMAND_hunt, COMMAND_attach, … */
enum command_id {
#define DEFAULT(...)
#define OPTION(...)
#define COMMAND(name, ...) COMMAND_##name,
#include "config/options.def"
#undef DEFAULT
#undef COMMAND
#undef OPTION
	COMMAND_COUNT
};

enum positional_kind { POSITIONAL_NONE, POSITIONAL_PIDS, POSITIONAL_FILES, POSITIONAL_WORDS };

struct command_row {
	const char *name;
	const char *arguments; /* as in the usage line */
	enum positional_kind positional;
	size_t least, most; /* positional arguments; most 0: no limit (NONE: none) */
	bool runs_command;  /* `-- CMD [ARG...]` instead of positional arguments */
	bool built;
	const char *help;
	const char *example;
};

/* Indexed by enum command_id. */
extern const struct command_row command_rows[COMMAND_COUNT];

/* NULL and HF_E_USAGE with the nearest name if there is no such command. */
const struct command_row *command_find(const char *name, struct hf_error *err);
/* 0, or HF_E_UNSUPPORTED with a clear text for a command that is not built yet. */
int command_check_built(const struct command_row *command, struct hf_error *err);
/* By long name of `len` bytes; NULL if there is none. */
const struct option_row *option_find(const char *name, size_t len);
const struct option_row *option_find_short(char letter);
/* The default that this command has, as one would write it; "": not given. */
const char *option_initial(const struct option_row *option, const struct command_row *command);
bool option_applies(const struct option_row *option, const struct command_row *command);
/* True if `word` is one of the words in `list`, separated by `separator`. */
bool word_in_list(const char *list, char separator, const char *word, size_t len);

/*
 * The name that was meant: the only one that begins with `typed`, or else the nearest, of whose
 * letters at most a third differ (a swap of neighbours counts once). NULL if none is near.
 */
const char *nearest_name(const char *typed, const char *const *names, size_t count);

#endif
