/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/name_table.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/symbol/demangle.h"

/* Of the hash map, for each key. */
#define SLOT_BYTES 64

void name_table_init(struct name_table *table, uint64_t max_bytes)
{
	*table = (struct name_table){.max_bytes = max_bytes, .key = STRBUF_INIT};
	strmap_init(&table->by_raw, hash_seed_random());
	arena_init(&table->arena, max_bytes / 2);
}

void name_table_done(struct name_table *table)
{
	strmap_done(&table->by_raw, NULL);
	arena_done(&table->arena);
	strbuf_done(&table->key);
}

uint64_t name_table_bytes(const struct name_table *table)
{
	return table->arena.held_bytes + table->key_bytes;
}

/* "foo@@GLIBC_2.34" is foo; the part before a leading @ would be nothing. */
static size_t without_version(const char *raw, size_t len)
{
	const char *at = len > 1 ? memchr(raw + 1, '@', len - 1) : NULL;

	return at ? (size_t)(at - raw) : len;
}

/* "foo.cold", "foo.cold.3": a part of foo that the compiler put elsewhere. */
static size_t without_cold(const char *raw, size_t len)
{
	static const char suffix[] = ".cold";
	size_t end = len, suffix_len = strlen(suffix);

	while (end && isdigit((unsigned char)raw[end - 1]))
		end--;
	if (end < len && end && raw[end - 1] == '.')
		end--;
	else
		end = len;
	if (end > suffix_len && !memcmp(raw + end - suffix_len, suffix, suffix_len))
		return end - suffix_len;
	return len;
}

static char *shown_function(const char *raw, size_t len)
{
	_cleanup_free_ char *bare = NULL, *demangled = NULL;

	len = without_version(raw, len);
	len = without_cold(raw, len);
	bare = strndup(raw, len);
	demangled = bare ? symbol_demangle(bare) : NULL;
	return demangled ? symbol_sanitize(demangled, strlen(demangled)) : NULL;
}

/* Kinds are apart: a file may be called like a function. */
enum kind { KIND_FUNCTION = 'f', KIND_STUB = 'p', KIND_FILE = 's' };

static char *shown(const char *raw, size_t len, enum kind kind)
{
	return kind == KIND_FILE ? symbol_sanitize(raw, len) : shown_function(raw, len);
}

static int add(struct name_table *table, const char *raw, size_t len, enum kind kind,
	       const char **ret)
{
	static const char stub[] = "@plt";
	_cleanup_free_ char *text = NULL;
	size_t text_len, stub_len = kind == KIND_STUB ? strlen(stub) : 0;
	char *kept;

	if (table->key_bytes + table->key.len + SLOT_BYTES > table->max_bytes / 2)
		return -ENOBUFS;
	text = shown(raw, len, kind);
	if (!text)
		return -ENOMEM;
	text_len = strlen(text);
	kept = arena_alloc(&table->arena, text_len + stub_len + 1);
	if (!kept)
		return -ENOBUFS;
	memcpy(kept, text, text_len);
	memcpy(kept + text_len, stub, stub_len);
	kept[text_len + stub_len] = '\0';
	if (strmap_put_n(&table->by_raw, table->key.buf, table->key.len, kept, NULL))
		return -ENOMEM;
	table->key_bytes += table->key.len + SLOT_BYTES;
	*ret = kept;
	return 0;
}

static int look_up(struct name_table *table, const char *raw, enum kind kind, const char **ret)
{
	/* one byte more than is kept, so that what is cut is seen to be cut */
	size_t len = strnlen(raw, SYMBOL_NAME_MAX_BYTES + 1);
	const char *known;

	strbuf_reset(&table->key);
	strbuf_addch(&table->key, (char)kind);
	if (strbuf_add(&table->key, raw, len))
		return -ENOMEM;
	known = strmap_get_n(&table->by_raw, table->key.buf, table->key.len);
	if (!known)
		return add(table, raw, len, kind, ret);
	*ret = known;
	return 0;
}

int name_table_function(struct name_table *table, const char *raw, bool plt, const char **ret)
{
	return look_up(table, raw, plt ? KIND_STUB : KIND_FUNCTION, ret);
}

int name_table_file(struct name_table *table, const char *raw, const char **ret)
{
	return look_up(table, raw, KIND_FILE, ret);
}
