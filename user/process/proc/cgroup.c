/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/cgroup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

static size_t text_len(struct text text)
{
	return (size_t)(text.end - text.p);
}

/* Is @word one of the names between commas? */
static bool list_has(struct text list, const char *word)
{
	while (list.p < list.end) {
		const char *comma = memchr(list.p, ',', text_len(list));
		struct text item = {list.p, comma ? comma : list.end};

		if (text_equal(item, word))
			return true;
		list.p = comma ? comma + 1 : list.end;
	}
	return false;
}

/* "hierarchy:controllers:path"; the unified hierarchy is "0::path". */
static bool find_group(struct text cgroup, bool unified, struct text *ret_path)
{
	struct text line;
	uint64_t hierarchy;

	while (text_next_line(&cgroup, &line)) {
		const char *colon;

		if (!text_take_decimal(&line, &hierarchy) || !text_take_char(&line, ':'))
			continue;
		colon = memchr(line.p, ':', text_len(line));
		if (!colon || colon + 1 == line.end || colon[1] != '/')
			continue;
		*ret_path = (struct text){colon + 1, line.end};
		if (unified ? hierarchy == 0 && colon == line.p
			    : list_has((struct text){line.p, colon}, "memory"))
			return true;
	}
	return false;
}

struct mount {
	struct text root, point;
};

/* "id parent major:minor root point options [tags…] - type source super" */
static bool parse_mount(struct text line, bool unified, struct mount *ret)
{
	struct text word, type, super;

	for (int i = 0; i < 3; i++)
		if (!text_next_word(&line, &word))
			return false;
	if (!text_next_word(&line, &ret->root) || !text_next_word(&line, &ret->point))
		return false;
	do {
		if (!text_next_word(&line, &word))
			return false;
	} while (!text_equal(word, "-"));
	if (!text_next_word(&line, &type) || !text_next_word(&line, &word) ||
	    !text_next_word(&line, &super))
		return false;
	return unified ? text_equal(type, "cgroup2")
		       : text_equal(type, "cgroup") && list_has(super, "memory");
}

/* Space, tab, newline and backslash stand as \040 and so on in mountinfo. The byte, or 0 if there is none. */
static char escaped_byte(const char *p, const char *end)
{
	if (end - p < 4 || *p != '\\' || p[1] < '0' || p[1] > '3' || p[2] < '0' || p[2] > '7' ||
	    p[3] < '0' || p[3] > '7')
		return 0;
	return (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
}

static int add_unescaped(struct strbuf *to, struct text from)
{
	for (const char *p = from.p; p < from.end; p++) {
		char escaped = escaped_byte(p, from.end);

		if (strbuf_addch(to, escaped ? escaped : *p))
			return -ENOMEM;
		p += escaped ? 3 : 0;
	}
	return 0;
}

/* Cuts @root off the front of @path, both absolute: "/a" off "/a/b" leaves "/b", off "/ab" nothing. */
static bool cut_root(struct text *path, const char *root)
{
	if (strcmp(root, "/") == 0) {
		if (text_equal(*path, "/"))
			path->p = path->end;
		return true;
	}
	return text_take_prefix(path, root) && (path->p == path->end || *path->p == '/');
}

/* Groups outside the reader's cgroup namespace show as "/../…". */
static bool leads_out(struct text path)
{
	return text_equal(path, "/..") || text_take_prefix(&path, "/../");
}

static int try_mount(const struct mount *mount, struct text group, struct cgroup_place *ret)
{
	_cleanup_(strbuf_done) struct strbuf root = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf directory = STRBUF_INIT;
	size_t mount_len;

	if (add_unescaped(&root, mount->root) || add_unescaped(&directory, mount->point))
		return -ENOMEM;
	if (!cut_root(&group, root.buf) || leads_out(group))
		return -ENOENT;
	mount_len = directory.len;
	strbuf_add(&directory, group.p, text_len(group));
	ret->directory = strbuf_detach(&directory, NULL);
	if (!ret->directory)
		return -ENOMEM;
	ret->mount_len = mount_len;
	return 0;
}

int cgroup_find_place(struct text cgroup, struct text mountinfo, bool unified,
		      struct cgroup_place *ret)
{
	struct text group, line;
	int err = -ENOENT;

	if (!find_group(cgroup, unified, &group))
		return -ENOENT;
	while (err == -ENOENT && text_next_line(&mountinfo, &line)) {
		struct mount mount;

		if (parse_mount(line, unified, &mount))
			err = try_mount(&mount, group, ret);
	}
	return err;
}
