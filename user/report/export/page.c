/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/page.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_PAGE_BYTES ((1u << 20) - 1)
#define MAX_TRIES      12 /* each leaves out more */

#define ON_REPORT (1u << PAGE_REPORT)
#define ON_DIFF   (1u << PAGE_DIFF)
#define ON_ALL    (ON_REPORT | ON_DIFF)

/* What stands in the place of a marker of web/page.html, in the order of the markers. */
#define PAGE_SLOTS(X)             \
	X(STYLE, "/*HF:CSS*/")    \
	X(BODY, "<!--HF:BODY-->") \
	X(DATA, "HF:DATA")        \
	X(SCRIPT, "/*HF:JS*/")

enum slot {
#define X(upper, marker) SLOT_##upper,
	PAGE_SLOTS(X)
#undef X
		SLOT_COUNT
};

static const char *const markers[] = {
#define X(upper, marker) marker,
	PAGE_SLOTS(X)
#undef X
};

/* X(name as the linker knows it, slot, pages): the shared ones, then each page's, in byte order. */
#define WEB_PARTS(X)                        \
	X(base_js, SCRIPT, ON_ALL)          \
	X(data_js, SCRIPT, ON_ALL)          \
	X(flame_js, SCRIPT, ON_ALL)         \
	X(flame_panel_js, SCRIPT, ON_ALL)   \
	X(flame_tree_js, SCRIPT, ON_ALL)    \
	X(page_css, STYLE, ON_ALL)          \
	X(page_js, SCRIPT, ON_ALL)          \
	X(parts_js, SCRIPT, ON_ALL)         \
	X(table_js, SCRIPT, ON_ALL)         \
	X(chart_js, SCRIPT, ON_REPORT)      \
	X(model_js, SCRIPT, ON_REPORT)      \
	X(overview_js, SCRIPT, ON_REPORT)   \
	X(python_js, SCRIPT, ON_REPORT)     \
	X(report_html, BODY, ON_REPORT)     \
	X(report_js, SCRIPT, ON_REPORT)     \
	X(site_flame_js, SCRIPT, ON_REPORT) \
	X(sites_js, SCRIPT, ON_REPORT)      \
	X(types_js, SCRIPT, ON_REPORT)      \
	X(change_flame_js, SCRIPT, ON_DIFF) \
	X(changes_js, SCRIPT, ON_DIFF)      \
	X(diff_css, STYLE, ON_DIFF)         \
	X(diff_html, BODY, ON_DIFF)         \
	X(diff_js, SCRIPT, ON_DIFF)         \
	X(diff_model_js, SCRIPT, ON_DIFF)   \
	X(type_changes_js, SCRIPT, ON_DIFF)

#define X(name, ...) extern const char hf_asset_##name##_start[], hf_asset_##name##_end[];
WEB_PARTS(X)
X(page_html)
#undef X

struct span {
	const char *start, *end;
};

static const struct part {
	struct span text;
	enum slot slot;
	unsigned int pages;
} parts[] = {
#define X(name, slot, pages) {{hf_asset_##name##_start, hf_asset_##name##_end}, SLOT_##slot, pages},
	WEB_PARTS(X)
#undef X
};

#define PART_COUNT (sizeof(parts) / sizeof(*parts))

static const struct span template = {hf_asset_page_html_start, hf_asset_page_html_end};

static size_t length_of(struct span span)
{
	return (size_t)(span.end - span.start);
}

static void put(struct sink *sink, struct span span)
{
	sink_write(sink, span.start, length_of(span));
}

/* What stands before @marker, and moves *rest behind it. */
static struct span before(struct span *rest, const char *marker)
{
	struct span part = {rest->start, rest->end};
	const char *at = memmem(rest->start, length_of(*rest), marker, strlen(marker));

	if (at) {
		part.end = at;
		rest->start = at + strlen(marker);
	}
	return part;
}

static bool is_on(const struct part *part, enum page_kind kind)
{
	return part->pages & 1u << kind;
}

static size_t fixed_bytes(enum page_kind kind)
{
	size_t bytes = length_of(template);

	for (size_t i = 0; i < PART_COUNT; i++)
		bytes += is_on(&parts[i], kind) ? length_of(parts[i].text) + 1 : 0;
	return bytes;
}

static void put_base64(struct sink *sink, const struct strbuf *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)bytes->buf;

	for (size_t left = bytes->len; left; p += 3) {
		uint32_t word = (uint32_t)p[0] << 16 | (left > 1 ? p[1] << 8 : 0) |
				(left > 2 ? p[2] : 0);
		const char four[4] = {digits[word >> 18], digits[word >> 12 & 63],
				      left > 1 ? digits[word >> 6 & 63] : '=',
				      left > 2 ? digits[word & 63] : '='};

		sink_write(sink, four, sizeof(four));
		left -= left < 3 ? left : 3;
	}
}

static int pack_to_fit(enum page_kind kind, const struct page_data *data, struct strbuf *ret_bytes)
{
	size_t room = (MAX_PAGE_BYTES - fixed_bytes(kind)) / 4 * 3 - 3;
	size_t count = data->count;
	int err = data->pack(data->user, count, ret_bytes);

	for (int tries = 0; !err && ret_bytes->len > room && tries < MAX_TRIES; tries++) {
		count = (size_t)((double)count * 0.95 * (double)room / (double)ret_bytes->len);
		err = data->pack(data->user, count, ret_bytes);
	}
	return !err && ret_bytes->len > room ? -EFBIG : err;
}

static void put_slot(struct sink *sink, enum page_kind kind, enum slot slot,
		     const struct strbuf *data)
{
	if (slot == SLOT_DATA)
		put_base64(sink, data);
	for (size_t i = 0; i < PART_COUNT; i++) {
		if (parts[i].slot != slot || !is_on(&parts[i], kind))
			continue;
		put(sink, parts[i].text);
		sink_putc(sink, '\n');
	}
}

int write_page(enum page_kind kind, const struct page_data *data, struct sink *sink)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	struct span rest = template;
	int err = pack_to_fit(kind, data, &packed);

	if (err)
		return err;
	for (int slot = 0; slot < SLOT_COUNT; slot++) {
		put(sink, before(&rest, markers[slot]));
		put_slot(sink, kind, (enum slot)slot, &packed);
	}
	put(sink, rest);
	return sink->error;
}
