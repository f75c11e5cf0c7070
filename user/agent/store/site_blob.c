/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/site_blob.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define VERSION 1

static const size_t sums[] = {
	offsetof(struct store_site, outstanding_bytes),
	offsetof(struct store_site, outstanding_count),
	offsetof(struct store_site, allocs),
	offsetof(struct store_site, alloc_bytes),
};

#define SUM_COUNT (sizeof(sums) / sizeof(*sums))

int site_blob_encode(const struct store_site *sites, size_t count, struct strbuf *out)
{
	uint64_t before = 0;

	strbuf_addch(out, VERSION);
	strbuf_add_uleb(out, count);
	for (size_t i = 0; i < count; i++) {
		strbuf_add_uleb(out, sites[i].stack - before);
		before = sites[i].stack;
	}
	for (size_t column = 0; column < SUM_COUNT; column++)
		for (size_t i = 0; i < count; i++)
			strbuf_add_uleb(
				out, *(const uint64_t *)((const char *)&sites[i] + sums[column]));
	for (size_t i = 0; i < count; i++)
		strbuf_add_uleb(out, sites[i].component);
	for (size_t i = 0; i < count; i++)
		strbuf_addch(out, (char)sites[i].state);
	return out->failed ? -ENOMEM : 0;
}

static void read_columns(struct cursor *c, struct store_site *sites, size_t count)
{
	uint64_t stack = 0;

	for (size_t i = 0; i < count && !c->bad; i++) {
		if (__builtin_add_overflow(stack, cursor_uleb(c), &stack))
			cursor_fail(c);
		sites[i].stack = stack;
	}
	for (size_t column = 0; column < SUM_COUNT; column++)
		for (size_t i = 0; i < count && !c->bad; i++)
			*(uint64_t *)((char *)&sites[i] + sums[column]) = cursor_uleb(c);
	for (size_t i = 0; i < count && !c->bad; i++) {
		uint64_t component = cursor_uleb(c);

		if (component > UINT32_MAX)
			cursor_fail(c);
		sites[i].component = (uint32_t)component;
	}
	for (size_t i = 0; i < count && !c->bad; i++)
		sites[i].state = cursor_u8(c);
}

int site_blob_decode(const struct strbuf *bytes, struct store_site **ret_sites, size_t *ret_count)
{
	struct cursor c = cursor_of(bytes->buf, bytes->len);
	uint8_t version = cursor_u8(&c);
	uint64_t count = cursor_uleb(&c);
	_cleanup_free_ struct store_site *sites = NULL;

	/* each site takes seven bytes at least */
	if (c.bad || version != VERSION || count > STORE_MAX_SITES || count > cursor_left(&c) / 7)
		return -EBADMSG;
	sites = calloc(count + 1, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	read_columns(&c, sites, count);
	if (c.bad || cursor_left(&c))
		return -EBADMSG;
	*ret_sites = no_free_ptr(sites);
	*ret_count = count;
	return 0;
}
