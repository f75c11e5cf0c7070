/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/web_assets.h"

#include <stdlib.h>
#include <string.h>

#define HTML "text/html; charset=utf-8"
#define CSS  "text/css; charset=utf-8"
#define JS   "text/javascript; charset=utf-8"
#define SVG  "image/svg+xml"
#define TEXT "text/plain; charset=utf-8"

/* X(path, name as the linker knows it, content type), in byte order of the paths. */
#define WEB_ASSETS(X)                                         \
	X("/", index_html, HTML)                              \
	X("/ui/agent.css", agent_css, CSS)                    \
	X("/ui/agent_page.js", agent_page_js, JS)             \
	X("/ui/api.js", api_js, JS)                           \
	X("/ui/app.js", app_js, JS)                           \
	X("/ui/base.js", base_js, JS)                         \
	X("/ui/change_flame.js", change_flame_js, JS)         \
	X("/ui/changes.js", changes_js, JS)                   \
	X("/ui/chart.js", chart_js, JS)                       \
	X("/ui/data.js", data_js, JS)                         \
	X("/ui/dialog.js", dialog_js, JS)                     \
	X("/ui/diff.css", diff_css, CSS)                      \
	X("/ui/diff_model.js", diff_model_js, JS)             \
	X("/ui/dygraph.min.css", dygraph_min_css, CSS)        \
	X("/ui/dygraph.min.js", dygraph_min_js, JS)           \
	X("/ui/dygraphs.txt", libjs_dygraphs_copyright, TEXT) \
	X("/ui/ending.js", ending_js, JS)                     \
	X("/ui/events.js", events_js, JS)                     \
	X("/ui/flame.js", flame_js, JS)                       \
	X("/ui/flame_panel.js", flame_panel_js, JS)           \
	X("/ui/flame_tree.js", flame_tree_js, JS)             \
	X("/ui/flame_view.js", flame_view_js, JS)             \
	X("/ui/grid.js", grid_js, JS)                         \
	X("/ui/holdings.js", holdings_js, JS)                 \
	X("/ui/icon.svg", icon_svg, SVG)                      \
	X("/ui/leaks.js", leaks_js, JS)                       \
	X("/ui/license.txt", LICENSE, TEXT)                   \
	X("/ui/live.js", live_js, JS)                         \
	X("/ui/memory.js", memory_js, JS)                     \
	X("/ui/mithril.js", mithril_js, JS)                   \
	X("/ui/mithril.txt", node_mithril_copyright, TEXT)    \
	X("/ui/model.js", model_js, JS)                       \
	X("/ui/page.css", page_css, CSS)                      \
	X("/ui/parts.js", parts_js, JS)                       \
	X("/ui/python.js", python_js, JS)                     \
	X("/ui/resource.js", resource_js, JS)                 \
	X("/ui/sessions.js", sessions_js, JS)                 \
	X("/ui/shared.js", shared_js, JS)                     \
	X("/ui/site_flame.js", site_flame_js, JS)             \
	X("/ui/sites.js", sites_js, JS)                       \
	X("/ui/table.js", table_js, JS)                       \
	X("/ui/target.js", target_js, JS)                     \
	X("/ui/targets.js", targets_js, JS)                   \
	X("/ui/theme.js", theme_js, JS)                       \
	X("/ui/timeline.js", timeline_js, JS)                 \
	X("/ui/type_changes.js", type_changes_js, JS)         \
	X("/ui/types.js", types_js, JS)                       \
	X("/ui/widgets.js", widgets_js, JS)                   \
	X("/ui/words.js", words_js, JS)                       \
	X("/ui/zydis.txt", libzydis_dev_copyright, TEXT)

#define X(path, name, ...) extern const char hf_asset_##name##_start[], hf_asset_##name##_end[];
WEB_ASSETS(X)
#undef X

static const struct web_asset assets[] = {
#define X(path, name, type) {path, type, hf_asset_##name##_start, hf_asset_##name##_end},
	WEB_ASSETS(X)
#undef X
};

#define ASSET_COUNT (sizeof(assets) / sizeof(*assets))

const struct web_asset *web_assets(size_t *ret_count)
{
	*ret_count = ASSET_COUNT;
	return assets;
}

static int by_path(const void *path, const void *asset)
{
	return strcmp(path, ((const struct web_asset *)asset)->path);
}

const struct web_asset *web_asset_find(const char *path)
{
	return bsearch(path, assets, ASSET_COUNT, sizeof(*assets), by_path);
}
