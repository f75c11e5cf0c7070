/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/proto_out.h"

#define WIRE_VARINT 0u
#define WIRE_BYTES  2u

void proto_add_u64(struct strbuf *sb, uint32_t number, uint64_t value)
{
	if (!value)
		return;
	strbuf_add_uleb(sb, number << 3 | WIRE_VARINT);
	strbuf_add_uleb(sb, value);
}

void proto_add_bytes(struct strbuf *sb, uint32_t number, const void *bytes, size_t size)
{
	strbuf_add_uleb(sb, number << 3 | WIRE_BYTES);
	strbuf_add_uleb(sb, size);
	strbuf_add(sb, bytes, size);
}
