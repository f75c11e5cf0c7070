/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text_kind.h - what texts of each kind must look like. Used inside config/.
 */
#ifndef HF_CONFIG_TEXT_KIND_H
#define HF_CONFIG_TEXT_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "config/options.h"

/*
 * 0 if `text` is one of this kind, -EINVAL, or -ENOMEM. `reason` gets what exactly is wrong where
 * more can be said than what the kind is: "Unmatched ( or \\(".
 */
int text_kind_check(enum option_kind kind, const char *text, struct strbuf *reason);
/* Name or number of a user: 0, -EINVAL (with the reason), -ENOMEM. */
int text_kind_user(const char *text, int64_t *ret_uid, struct strbuf *reason);
/* [A-Za-z_][A-Za-z0-9_]* */
bool text_kind_is_identifier(const char *text);

#endif
