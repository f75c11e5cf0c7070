/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the exporters: what is in a page, and in gzip. */
#ifndef HF_TESTS_PAGE_FIXTURE_H
#define HF_TESTS_PAGE_FIXTURE_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fileio.h"
#include "base/strbuf.h"
#include "cmocka_all.h"

#define WEB_FOLDER "user/report/export/web/"

static inline void inflate_all(const void *bytes, size_t size, struct strbuf *out)
{
	z_stream z = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)size};
	int result;

	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	do {
		strbuf_reserve(out, 65536);
		z.next_out = (unsigned char *)out->buf + out->len;
		z.avail_out = 65536;
		result = inflate(&z, Z_NO_FLUSH);
		out->len += 65536 - z.avail_out;
	} while (result == Z_OK);
	out->buf[out->len] = '\0';
	assert_int_equal(result, Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
}

static inline int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What a page carries, compressed. */
static inline void page_bytes(const struct strbuf *page, struct strbuf *bytes)
{
	static const char before[] = "id=\"hf-data\">";
	const char *p = strstr(page->buf, before);
	uint32_t word = 0;
	int bits = 0;

	assert_non_null(p);
	for (p += strlen(before); base64_digit(*p) >= 0; p++) {
		word = word << 6 | (uint32_t)base64_digit(*p);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			strbuf_addch(bytes, (char)(word >> bits));
		}
	}
	p += strspn(p, "=");
	assert_memory_equal(p, "</script>", 9);
}

/* How many files of a folder of sources a page has; one that was forgotten in page.c shows here. */
static inline size_t page_files(const struct strbuf *page, const char *folder)
{
	DIR *stream = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		struct strbuf path = STRBUF_INIT;
		const char *ending = strrchr(entry->d_name, '.');
		char *text = NULL;
		size_t size;

		/* page.html is what the others are put into */
		if (!ending || !ending[1] || entry->d_name == ending ||
		    !strcmp(entry->d_name, "page.html"))
			continue;
		strbuf_addf(&path, "%s%s", folder, entry->d_name);
		assert_int_equal(file_read(path.buf, 1 << 20, &text, &size), 0);
		if (!strstr(page->buf, text))
			fail_msg("%s is not on the page", path.buf);
		free(text);
		strbuf_done(&path);
		count++;
	}
	closedir(stream);
	return count;
}

#endif
