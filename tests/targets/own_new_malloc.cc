// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/* own_new_malloc: cxx_new with an operator new of the program's own that keeps a header before malloc's blocks. */
#include "cxx_new.cc"

enum { HEADER_BYTES = 32 };

TRUTH_FN void *operator new(size_t size)
{
	char *p = size < SIZE_MAX / 8 ? static_cast<char *>(malloc(size + HEADER_BYTES)) : nullptr;

	if (!p)
		throw std::bad_alloc();
	return p + HEADER_BYTES;
}

TRUTH_FN void operator delete(void *p) noexcept
{
	if (p)
		free(static_cast<char *>(p) - HEADER_BYTES);
}

TRUTH_FN void operator delete(void *p, size_t) noexcept
{
	if (p)
		free(static_cast<char *>(p) - HEADER_BYTES);
}
