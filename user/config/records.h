/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records.h - the table of settings that are mappings (records.def) as C sees it. Used inside config/.
 *
 * Constant data; any thread.
 */
#ifndef HF_CONFIG_RECORDS_H
#define HF_CONFIG_RECORDS_H

#include <stddef.h>

#include "config/options.h"

/* RECORD_agent_config, RECORD_target_rule, … */
enum record_id {
#define FIELD(...)
#define RECORD(tag, ...) RECORD_##tag,
#include "config/records.def"
#undef FIELD
#undef RECORD
	RECORD_COUNT
};

enum field_need { FIELD_OPTIONAL, FIELD_NEEDED, FIELD_REQUIRED };

struct field_row {
	enum record_id record;
	const char *key;
	enum option_kind kind;
	const char *range;   /* as of an option; of a RECORD(S) the record's tag */
	const char *initial; /* the default as one would write it; "": not given */
	enum field_need need;
	const char *example;
	const char *help;
	size_t offset; /* of the member in the record's struct */
};

struct record_row {
	const char *tag;
	const char *name; /* for messages */
	const char *help;
	size_t size; /* of the struct */
};

/* Indexed by enum record_id. */
extern const struct record_row record_rows[RECORD_COUNT];

/* FIELD_AT_target_rule_comm, …: place among the fields of all records */
enum field_id {
#define RECORD(...)
#define FIELD(record, member, ...) FIELD_AT_##record##_##member,
#include "config/records.def"
#undef FIELD
#undef RECORD
	FIELD_COUNT
};

/* Those of a record stand together. */
extern const struct field_row field_rows[FIELD_COUNT];

/* What a RECORD(S) field holds. */
enum record_id record_of_field(const struct field_row *field);
/* NULL if the record has no such key. */
const struct field_row *record_find_field(enum record_id record, const char *key);

#endif
