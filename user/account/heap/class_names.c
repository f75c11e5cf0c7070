// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/class_names.h"

#include <ctype.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/memory_stream.h"

#define NO_CLASS  (UINT64_MAX - 1)
#define KNOWN_MAX 65536
/* offset to top of a base class within its object */
#define OFFSET_MAX 65536

void class_names_init(struct class_names *names, int pid, const struct maps *maps)
{
	names->pid = pid;
	names->maps = maps;
	map64_init(&names->known, hash_seed_random());
}

void class_names_done(struct class_names *names)
{
	map64_done(&names->known);
}

int class_names_put(struct class_names *names, uint64_t vtable, uint64_t value)
{
	return map64_put(&names->known, vtable, value);
}

/* Of a file: vtables lie in .data.rel.ro (not executable) or, linked statically, in .rodata. */
static bool is_file_data(const struct class_names *names, uint64_t address)
{
	const struct mapping *m = maps_find(names->maps, address);

	return m && m->inode && m->prot & PROT_READ && !(m->prot & PROT_EXEC);
}

/* What g++ and clang++ mangle a class name to: a source name, nested, a substitution, a template's. */
static bool is_mangled(const char *name)
{
	size_t length = strnlen(name, CLASS_NAME_MAX_BYTES);

	if (length < 2 || length == CLASS_NAME_MAX_BYTES ||
	    !(isdigit((unsigned char)*name) || *name == 'N' || *name == 'S' || *name == 'Z'))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_$.", name[i]))
			return false;
	return true;
}

static bool read_name(const struct class_names *names, uint64_t address,
		      char ret_name[CLASS_NAME_MAX_BYTES])
{
	uint64_t page_end = (address & ~(PAGE_BYTES - 1)) + PAGE_BYTES;
	size_t first = page_end - address < CLASS_NAME_MAX_BYTES ? (size_t)(page_end - address)
								 : CLASS_NAME_MAX_BYTES;

	memset(ret_name, 0, CLASS_NAME_MAX_BYTES);
	if (!memory_read(names->pid, address, ret_name, first))
		return false;
	/* The next page need not be there. */
	if (first < CLASS_NAME_MAX_BYTES && strnlen(ret_name, first) == first)
		(void)memory_read(names->pid, address + first, ret_name + first,
				  CLASS_NAME_MAX_BYTES - first);
	ret_name[CLASS_NAME_MAX_BYTES - 1] = 0;
	/* A type with internal linkage is marked so. */
	if (*ret_name == '*')
		memmove(ret_name, ret_name + 1, CLASS_NAME_MAX_BYTES - 1);
	return is_mangled(ret_name);
}

static bool read_class(const struct class_names *names, uint64_t vtable,
		       char ret_name[CLASS_NAME_MAX_BYTES])
{
	uint64_t before[2], info[2];
	int64_t offset;

	if (vtable % 8 || !is_file_data(names, vtable) || !is_file_data(names, vtable - 16) ||
	    !memory_read(names->pid, vtable - 16, before, sizeof(before)))
		return false;
	offset = (int64_t)before[0];
	if (offset > 0 || offset < -OFFSET_MAX || before[1] % 8 ||
	    !is_file_data(names, before[1]) ||
	    !memory_read(names->pid, before[1], info, sizeof(info)))
		return false;
	/* A program that is not position-independent has a copy of type_info's own vtable in its .bss. */
	return maps_find(names->maps, info[0]) && is_file_data(names, info[1]) &&
	       read_name(names, info[1], ret_name);
}

bool class_names_find(struct class_names *names, uint64_t vtable, uint64_t *ret_value,
		      char ret_name[CLASS_NAME_MAX_BYTES])
{
	if (map64_get(&names->known, vtable, ret_value))
		return *ret_value != NO_CLASS;
	if (vtable < PAGE_BYTES || vtable >> 47)
		return false;
	if (!is_file_data(names, vtable))
		return false;
	if (names->known.count < KNOWN_MAX && read_class(names, vtable, ret_name)) {
		*ret_value = UINT64_MAX;
		return true;
	}
	if (names->known.count < KNOWN_MAX)
		(void)map64_put(&names->known, vtable, NO_CLASS);
	return false;
}
