/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/proto_out.h"

#define WIRE_VARINT 0u
#define WIRE_BYTES  2u

void proto_add_varint(struct strbuf *sb, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		strbuf_addch(sb, (char)(value | 0x80));
	strbuf_addch(sb, (char)value);
}

void proto_add_u64(struct strbuf *sb, uint32_t number, uint64_t value)
{
	if (!value)
		return;
	proto_add_varint(sb, number << 3 | WIRE_VARINT);
	proto_add_varint(sb, value);
}

void proto_add_bytes(struct strbuf *sb, uint32_t number, const void *bytes, size_t size)
{
	proto_add_varint(sb, number << 3 | WIRE_BYTES);
	proto_add_varint(sb, size);
	strbuf_add(sb, bytes, size);
}
