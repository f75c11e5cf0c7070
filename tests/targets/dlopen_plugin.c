// SPDX-License-Identifier: GPL-2.0-or-later
// build: -ldl
/*
 * dlopen_plugin: code that comes and goes while it is watched.
 *
 * plugin_one is loaded after go, allocates (100 blocks of 40 B lost, 50 of 90 B of which 20 are
 * freed), and is unloaded: its blocks stay, and so must its names. Then plugin_two is loaded, as a
 * rule at the same addresses, and does the same with 41 and 91 B. Ten times in turn (--rounds=N).
 * load_plugin and unload_plugin are tolerated: the loader allocates and frees there.
 */
#include "truth.h"

#include <dlfcn.h>
#include <limits.h>

TRUTH_SITE(plugin_one_leak);
TRUTH_SITE(plugin_one_block);
TRUTH_SITE(plugin_two_leak);
TRUTH_SITE(plugin_two_block);
TRUTH_TOLERATE(load_plugin);
TRUTH_TOLERATE(unload_plugin);

typedef void *(*allocate_function)(int leak, size_t bytes);

struct plugin {
	const char *name;
	struct truth_site *leak, *block;
	size_t leak_bytes, block_bytes;
	char path[PATH_MAX];
};

static struct plugin plugins[2] = {
	{"plugin_one.so", &site_plugin_one_leak, &site_plugin_one_block, 40, 90, ""},
	{"plugin_two.so", &site_plugin_two_leak, &site_plugin_two_block, 41, 91, ""},
};

/* They stand beside the program. */
static void find_plugins(void)
{
	for (int i = 0; i < 2; i++) {
		char *path = plugins[i].path;
		size_t room = sizeof(plugins[i].path);
		ssize_t n = readlink("/proc/self/exe", path, room - 1);

		if (n < 0)
			_exit(71);
		while (n && path[n - 1] != '/')
			n--;
		snprintf(path + n, room - (size_t)n, "%s", plugins[i].name);
	}
}

TRUTH_FN static void *load_plugin(const char *path, allocate_function *allocate)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		_exit(72);
	*(void **)allocate = dlsym(library, "plugin_allocate");
	return library;
}

TRUTH_FN static void unload_plugin(void *library)
{
	dlclose(library);
	TRUTH_STAY();
}

static void use_plugin(const struct plugin *plugin)
{
	allocate_function allocate;
	void *library = load_plugin(plugin->path, &allocate);
	void *blocks[50];

	for (int i = 0; i < 100; i++) {
		allocate(1, plugin->leak_bytes);
		truth_alloc(plugin->leak, plugin->leak_bytes);
	}
	for (int i = 0; i < 50; i++) {
		blocks[i] = allocate(0, plugin->block_bytes);
		truth_alloc(plugin->block, plugin->block_bytes);
	}
	for (int i = 0; i < 10; i++) {
		truth_free(plugin->block, plugin->block_bytes);
		free(blocks[i]);
	}
	unload_plugin(library);
	/* Freed when the code that allocated is gone. */
	for (int i = 10; i < 20; i++) {
		truth_free(plugin->block, plugin->block_bytes);
		free(blocks[i]);
	}
}

int main(int argc, char **argv)
{
	long rounds = truth_argument(argc, argv, "--rounds", 10);

	find_plugins();
	truth_begin(argc, argv);
	for (long i = 0; i < rounds; i++)
		use_plugin(&plugins[i % 2]);
	truth_end();
	return 0;
}
