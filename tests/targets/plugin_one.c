// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/* plugin_one: loaded by dlopen_plugin, which declares what is allocated here. */
#include <stdlib.h>

__attribute__((noinline)) void *plugin_one_leak(size_t bytes)
{
	void *p = malloc(bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}

__attribute__((noinline)) void *plugin_one_block(size_t bytes)
{
	void *p = calloc(1, bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}

void *plugin_allocate(int leak, size_t bytes)
{
	void *p = leak ? plugin_one_leak(bytes) : plugin_one_block(bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}
