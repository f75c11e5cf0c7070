/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record_read.h - a mapping of the YAML file into the struct that records.def describes. Used inside
 * config/.
 */
#ifndef HF_CONFIG_RECORD_READ_H
#define HF_CONFIG_RECORD_READ_H

#include "config/problems.h"
#include "config/records.h"
#include "config/yaml.h"

/* Sets all members: to the defaults, or to "not given". 0 or -ENOMEM; to be cleared in both cases. */
int record_init(enum record_id record, void *at);
/* Frees what the members own, and leaves them not given. */
void record_clear(enum record_id record, void *at);

/*
 * What `node` holds for the key `field` of the record at `at`. What is wrong goes to `problems`, what
 * is right into the record. 0 or -ENOMEM.
 */
int record_read_field(const struct field_row *field, const struct yaml_node *node, void *at,
		      struct config_problems *problems);

/* "there is no …" with the name that was meant, if one of `names` is near. 0 or -ENOMEM. */
int record_unknown_key(const struct yaml_node *node, const char *const *names, size_t count,
		       struct config_problems *problems);

#endif
