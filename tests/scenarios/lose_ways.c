// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lose_ways: what a function of the library allocates for its caller is forgotten by it.
 * --way=calloc, aligned, strdup, asprintf or addresses; --keep=N releases all but the last N.
 */
#include "course.h"

#include <netdb.h>

enum { RING = 64 };

struct way {
	const char *name;
	void *(*take)(unsigned long number, size_t *ret_bytes);
	void (*release)(void *taken);
};

APART static void *take_table(unsigned long number, size_t *ret_bytes)
{
	uint32_t *table = sure(calloc(60, sizeof(*table)));

	table[0] = (uint32_t)number;
	*ret_bytes = 60 * sizeof(*table);
	return table;
}

APART static void *take_sector(unsigned long number, size_t *ret_bytes)
{
	char *sector = sure(aligned_alloc(512, 1024));

	memset(sector, (int)number, 1024);
	*ret_bytes = 1024;
	return sector;
}

APART static void *take_name(unsigned long number, size_t *ret_bytes)
{
	char name[120];

	snprintf(name, sizeof(name), "%0100lu", number);
	char *copy = sure(strdup(name));

	*ret_bytes = strlen(name) + 1;
	return copy;
}

APART static void *take_line(unsigned long number, size_t *ret_bytes)
{
	char *line = NULL;
	int length = asprintf(&line, "%0180lu", number);

	*ret_bytes = (size_t)length + 1;
	return line;
}

/* How much that is only the library knows: no bytes. */
APART static void *take_addresses(unsigned long number, size_t *ret_bytes)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *list = NULL;
	char host[32];

	snprintf(host, sizeof(host), "127.0.0.%lu", number % 200 + 1);
	if (getaddrinfo(host, "80", &hints, &list))
		abort();
	*ret_bytes = 0;
	return list;
}

static void release_addresses(void *list)
{
	freeaddrinfo(list);
}

static const struct way ways[] = {
	{"calloc", take_table, free},
	{"aligned", take_sector, free},
	{"strdup", take_name, free},
	{"asprintf", take_line, free},
	{"addresses", take_addresses, release_addresses},
};

APART static void take_and_forget(const struct way *way)
{
	size_t bytes;
	void *taken = way->take(course.steps, &bytes);

	KEEP(taken);
	course_grew((long)bytes);
}

static void take_and_keep(const struct way *way, unsigned long limit)
{
	static void *ring[RING];
	void **slot = &ring[course.steps % limit];
	size_t bytes;

	if (*slot)
		way->release(*slot);
	*slot = way->take(course.steps, &bytes);
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 50);
	unsigned long keep = (unsigned long)course_number("--keep", 0);
	const struct way *way = ways;

	while (!course_is("--way", way->name, "calloc"))
		if (++way == ways + sizeof(ways) / sizeof(*ways))
			return 64;
	while (course_step())
		if (keep)
			take_and_keep(way, keep < RING ? keep : RING);
		else
			take_and_forget(way);
	return 0;
}
