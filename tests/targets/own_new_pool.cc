// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/* own_new_pool: cxx_new with an operator new of the program's own that never comes by malloc. */
#include "cxx_new.cc"

namespace
{
alignas(4096) char pool[8 << 20];
size_t used;

void *carve(size_t size, size_t alignment)
{
	size_t start = (used + alignment - 1) / alignment * alignment;

	if (size > sizeof(pool) - start)
		throw std::bad_alloc();
	used = start + (size ? size : 1);
	return pool + start;
}
} // namespace

TRUTH_FN void *operator new(size_t size)
{
	return carve(size, 16);
}

TRUTH_FN void *operator new(size_t size, std::align_val_t alignment)
{
	return carve(size, static_cast<size_t>(alignment));
}

TRUTH_FN void operator delete(void *p) noexcept
{
	TRUTH_HIDE(p);
}

TRUTH_FN void operator delete(void *p, size_t) noexcept
{
	TRUTH_HIDE(p);
}

TRUTH_FN void operator delete(void *p, std::align_val_t) noexcept
{
	TRUTH_HIDE(p);
}
