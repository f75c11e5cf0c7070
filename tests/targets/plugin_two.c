// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/* plugin_two: loaded by dlopen_plugin, which declares what is allocated here. */
#include <stdlib.h>

__attribute__((noinline)) void *plugin_two_leak(size_t bytes)
{
	void *p = malloc(bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}

__attribute__((noinline)) void *plugin_two_block(size_t bytes)
{
	void *p = realloc(NULL, bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}

void *plugin_allocate(int leak, size_t bytes)
{
	void *p = leak ? plugin_two_leak(bytes) : plugin_two_block(bytes);

	__asm__ volatile("" ::: "memory");
	return p;
}
