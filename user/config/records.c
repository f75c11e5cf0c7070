/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/records.h"

#include <string.h>

#include "config/agent_config.h"

const struct field_row field_rows[FIELD_COUNT] = {
#define RECORD(...)
#define FIELD(record_, member_, key_, kind_, range_, initial_, need_, example_, help_) \
	[FIELD_AT_##record_##_##member_] = {                                           \
		.record = RECORD_##record_,                                            \
		.key = (key_),                                                         \
		.kind = OPTION_##kind_,                                                \
		.range = (range_),                                                     \
		.initial = (initial_),                                                 \
		.need = FIELD_##need_,                                                 \
		.example = (example_),                                                 \
		.help = (help_),                                                       \
		.offset = offsetof(struct record_, member_),                           \
	},
#include "config/records.def"
#undef FIELD
#undef RECORD
};

const struct record_row record_rows[RECORD_COUNT] = {
#define FIELD(...)
#define RECORD(tag_, name_, help_)           \
	[RECORD_##tag_] = {                  \
		.tag = #tag_,                \
		.name = (name_),             \
		.help = (help_),             \
		.size = sizeof(struct tag_), \
	},
#include "config/records.def"
#undef FIELD
#undef RECORD
};

enum record_id record_of_field(const struct field_row *field)
{
	size_t id = 0;

	while (id < RECORD_COUNT && strcmp(record_rows[id].tag, field->range) != 0)
		id++;
	return (enum record_id)id;
}

const struct field_row *record_find_field(enum record_id record, const char *key)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record == record && !strcmp(field_rows[i].key, key))
			return &field_rows[i];
	}
	return NULL;
}
