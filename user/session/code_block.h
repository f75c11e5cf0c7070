/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code of a process in a recording: what its addresses mean, for stacks whose names are missing because the recording
 * was cut off. Written whenever it has changed; the newest block of a process holds.
 *
 * Little endian: process u32 (index into META's processes), pid u32, modules u32, then for each: path and build id (hex),
 * each u16 length and bytes; mappings u32, then for each: start, end, bias, from, until (0: still there) u64, module u32.
 * Mappings are in order of start, then from.
 */
#ifndef HOLDFAST_SESSION_CODE_BLOCK_H
#define HOLDFAST_SESSION_CODE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "process/target/target.h"
#include "session/session_internal.h"

/* Changes with the target's mappings. */
uint64_t code_block_signature(const struct target *target);
/* -ENOMEM. */
int code_block_write(const struct target *target, uint32_t process, struct strbuf *ret);
/* Hostile bytes: gives the process's target its mappings. -EILSEQ: malformed; -ENOMEM. */
int code_block_take(struct session *session, const void *bytes, size_t size);

#endif
