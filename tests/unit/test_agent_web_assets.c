/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of the agent's page against the folder that it stands for, and against what the page asks
 * for. What these can't find: how the page looks and behaves; tests/web does.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/web_assets.h"
#include "base/fileio.h"
#include "base/strbuf.h"
#include "cmocka_all.h"

#define FOLDER "user/agent/web/"

static bool is_file(const struct web_asset *asset, const char *file)
{
	char *data = NULL;
	size_t size = 0;
	bool same;

	assert_int_equal(file_read(file, 1 << 20, &data, &size), 0);
	same = size == (size_t)(asset->end - asset->start) && !memcmp(data, asset->start, size);
	free(data);
	return same;
}

static void every_file_of_the_folder_is_served_as_it_is(void **state)
{
	DIR *folder = opendir(FOLDER);
	size_t count = 0;

	(void)state;
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		const struct web_asset *asset;
		char path[300], file[300];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/ui/%s", entry->d_name);
		snprintf(file, sizeof(file), FOLDER "%s", entry->d_name);
		asset = web_asset_find(strcmp(entry->d_name, "index.html") ? path : "/");
		if (!asset)
			fail_msg("%s is not in the table", entry->d_name);
		assert_true(is_file(asset, file));
		count++;
	}
	closedir(folder);
	assert_true(count > 10);
}

static void each_path_is_there_once_in_order_and_with_a_type(void **state)
{
	size_t count;
	const struct web_asset *assets = web_assets(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(assets[i].end > assets[i].start);
		assert_int_equal(*assets[i].end, 0);
		assert_non_null(strchr(assets[i].content_type, '/'));
		assert_ptr_equal(web_asset_find(assets[i].path), &assets[i]);
		if (i)
			assert_true(strcmp(assets[i - 1].path, assets[i].path) < 0);
	}
}

static void what_the_page_asks_for_is_served(void **state)
{
	const struct web_asset *page = web_asset_find("/");
	size_t count = 0;

	(void)state;
	assert_non_null(page);
	for (const char *at = page->start; (at = strstr(at, "\"ui/"));) {
		char path[100] = "/";
		size_t length = strcspn(++at, "\"");

		assert_true(length < sizeof(path) - 1);
		memcpy(path + 1, at, length);
		path[1 + length] = '\0';
		if (!web_asset_find(path))
			fail_msg("%s is not in the table", path);
		count++;
	}
	assert_true(count > 10);
}

static void what_is_not_there_is_not_found(void **state)
{
	static const char *const paths[] = {
		"", "ui/app.js", "/ui/", "/ui/app", "/ui/app.js?x", "/ui/../LICENSE", "/ui/zzz"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_null(web_asset_find(paths[i]));
}

static void the_page_itself_has_the_policy_too(void **state)
{
	/* frame-ancestors does not count in a page, only in the header */
	size_t length = strlen(WEB_ASSET_POLICY) - strlen("; frame-ancestors 'none'");
	struct strbuf policy = STRBUF_INIT;

	(void)state;
	strbuf_addf(&policy, "%.*s", (int)length, WEB_ASSET_POLICY);
	assert_non_null(strstr(web_asset_find("/")->start, policy.buf));
	strbuf_done(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_of_the_folder_is_served_as_it_is),
		cmocka_unit_test(each_path_is_there_once_in_order_and_with_a_type),
		cmocka_unit_test(what_the_page_asks_for_is_served),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(the_page_itself_has_the_policy_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
