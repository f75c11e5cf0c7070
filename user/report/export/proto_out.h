/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protocol buffers' wire form (protobuf.dev, "Encoding"), the little of it that a profile needs. */
#ifndef HOLDFAST_EXPORT_PROTO_OUT_H
#define HOLDFAST_EXPORT_PROTO_OUT_H

#include <stdint.h>

#include "base/strbuf.h"

/* Field @number as a varint; left out where it is 0, the default. */
void proto_add_u64(struct strbuf *sb, uint32_t number, uint64_t value);
/* Field @number with @size bytes: a text, a message, packed numbers. */
void proto_add_bytes(struct strbuf *sb, uint32_t number, const void *bytes, size_t size);

#endif
