// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cxx_new: operator new in all its forms, containers, and constructors that throw. Nothing is
 * overridden: libstdc++'s new ends in malloc, a preloaded or linked allocator's does not, and each must be
 * counted once. --bad-alloc=0 leaves out what is too large: mimalloc, built as C, aborts there.
 *
 * Sizes of containers come from n * sizeof(element); the growth of vector and string is counted
 * from their capacity() as it changes. What the library allocates for an exception object that is
 * in flight is declared as opaque, and temporary, at the functions where one is thrown.
 */
#include "truth.h"

#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

TRUTH_SITE(new_scalar);
TRUTH_SITE(new_array);
TRUTH_SITE(new_nothrow);
TRUTH_SITE(new_aligned);
TRUTH_SITE(new_with_cookie);
TRUTH_SITE_OPAQUE(new_nothrow_fails);
TRUTH_SITE_OPAQUE(new_bad_alloc);
TRUTH_SITE_OPAQUE(throwing_constructor);
TRUTH_SITE_OPAQUE(throw_through_frames);
TRUTH_SITE(vector_growth);
TRUTH_SITE(string_growth);
TRUTH_SITE(map_insert);
TRUTH_SITE(shared_pointer);
TRUTH_SITE(unique_array);

static volatile size_t huge = SIZE_MAX / 4;

struct plain {
	char bytes[72];
};

struct alignas(128) wide {
	char bytes[256];
};

/* Has a destructor, so that new[] keeps a count of 8 bytes in front of the array. */
struct counted {
	char bytes[24];
	~counted()
	{
		TRUTH_STAY();
	}
};

struct owner {
	std::unique_ptr<plain> first;
	char *second;

	explicit owner(bool fail) : first(new plain), second(nullptr)
	{
		if (fail)
			throw 42;
		second = new char[33];
	}
};

TRUTH_FN static void new_scalar()
{
	for (int i = 0; i < 100; i++) {
		plain *p = new plain;
		int *q = new int(i);

		TRUTH_HIDE(p);
		TRUTH_HIDE(q);
		TRUTH_ALLOC(new_scalar, sizeof(plain));
		TRUTH_ALLOC(new_scalar, sizeof(int));
		if (i % 2) {
			TRUTH_FREE(new_scalar, sizeof(plain));
			delete p; /* sized delete */
		}
	}
	TRUTH_STAY();
}

TRUTH_FN static void new_array()
{
	for (size_t i = 1; i <= 50; i++) {
		char *p = new char[i * 10];

		TRUTH_HIDE(p);
		TRUTH_ALLOC(new_array, i * 10);
		if (i % 5 == 0) {
			TRUTH_FREE(new_array, i * 10);
			delete[] p;
		}
	}
	TRUTH_STAY();
}

TRUTH_FN static void new_nothrow()
{
	for (int i = 0; i < 10; i++) {
		plain *p = new (std::nothrow) plain;
		char *q = new (std::nothrow) char[100];

		TRUTH_HIDE(p);
		TRUTH_HIDE(q);
		TRUTH_ALLOC(new_nothrow, sizeof(plain));
		TRUTH_ALLOC(new_nothrow, 100);
		if (i == 0) {
			TRUTH_FREE(new_nothrow, sizeof(plain));
			TRUTH_FREE(new_nothrow, 100);
			::operator delete(p, std::nothrow);
			delete[] q;
		}
	}
	TRUTH_STAY();
}

/* libstdc++ throws and catches inside: an exception object comes and goes, nothing stays. */
TRUTH_FN static void new_nothrow_fails()
{
	void *none = ::operator new(huge, std::nothrow);

	if (none)
		abort();
	TRUTH_STAY();
}

/* Ends in aligned_alloc, to which libstdc++ gives the size rounded up: 256 is a multiple already. */
TRUTH_FN static void new_aligned()
{
	for (int i = 0; i < 20; i++) {
		wide *p = new wide;

		TRUTH_HIDE(p);
		TRUTH_ALLOC(new_aligned, sizeof(wide));
		if (i % 4 == 0) {
			TRUTH_FREE(new_aligned, sizeof(wide));
			delete p;
		}
	}
	TRUTH_STAY();
}

TRUTH_FN static void new_with_cookie()
{
	for (size_t i = 1; i <= 8; i++) {
		counted *p = new counted[i];

		TRUTH_HIDE(p);
		TRUTH_ALLOC(new_with_cookie, i * sizeof(counted) + sizeof(size_t));
		if (i == 8) {
			TRUTH_FREE(new_with_cookie, i * sizeof(counted) + sizeof(size_t));
			delete[] p;
		}
	}
	TRUTH_STAY();
}

/* The one block that stays was allocated before the failure. */
TRUTH_FN static void new_bad_alloc()
{
	for (int i = 0; i < 10; i++) {
		char *kept = new char[11];

		TRUTH_HIDE(kept);
		TRUTH_ALLOC(new_bad_alloc, 11);
		try {
			char *p = static_cast<char *>(::operator new(huge));
			TRUTH_HIDE(p);
			abort();
		} catch (const std::bad_alloc &) {
			TRUTH_STAY();
		}
	}
}

/* A constructor that fails gives back its members and its own memory. */
TRUTH_FN static void throwing_constructor()
{
	for (int i = 0; i < 10; i++) {
		try {
			owner *p = new owner(i % 2);

			TRUTH_HIDE(p);
			TRUTH_ALLOC(throwing_constructor, sizeof(owner));
			TRUTH_ALLOC(throwing_constructor, sizeof(plain));
			TRUTH_ALLOC(throwing_constructor, 33);
		} catch (int) {
			TRUTH_STAY();
		}
	}
}

TRUTH_FN static void throw_at_depth(int depth)
{
	std::unique_ptr<plain> temporary(new plain);
	plain *p = temporary.get();

	TRUTH_HIDE(p);
	if (depth == 0)
		throw std::string("a string long enough to live on the heap");
	char *left = new char[5];
	TRUTH_HIDE(left);
	TRUTH_ALLOC(throw_through_frames, 5);
	throw_at_depth(depth - 1);
	TRUTH_STAY();
}

TRUTH_FN static void throw_through_frames()
{
	for (int i = 0; i < 10; i++) {
		try {
			throw_at_depth(10);
		} catch (const std::string &) {
			TRUTH_STAY();
		}
	}
}

TRUTH_FN static void vector_growth(std::vector<long> *vector)
{
	for (long i = 0; i < 1000; i++) {
		size_t before = vector->capacity();

		vector->push_back(i);
		if (vector->capacity() == before)
			continue;
		TRUTH_ALLOC(vector_growth, vector->capacity() * sizeof(long));
		if (before)
			TRUTH_FREE(vector_growth, before * sizeof(long));
	}
}

TRUTH_FN static void string_growth(std::string *text)
{
	size_t local = text->capacity();

	for (int i = 0; i < 1000; i++) {
		size_t before = text->capacity();

		text->push_back('x');
		if (text->capacity() == before)
			continue;
		TRUTH_ALLOC(string_growth, text->capacity() + 1);
		if (before != local)
			TRUTH_FREE(string_growth, before + 1);
	}
}

TRUTH_FN static void map_insert(std::map<long, long> *map)
{
	const size_t node = sizeof(std::_Rb_tree_node<std::pair<const long, long>>);

	for (long i = 0; i < 500; i++) {
		(*map)[i * 7919 % 500] = i;
		TRUTH_ALLOC(map_insert, node);
	}
	for (long i = 0; i < 200; i++) {
		map->erase(i);
		TRUTH_FREE(map_insert, node);
	}
}

/* One block holds the object and its counts. */
TRUTH_FN static void shared_pointer(std::vector<std::shared_ptr<plain>> *kept)
{
	using block =
		std::_Sp_counted_ptr_inplace<plain, std::allocator<void>, __gnu_cxx::_S_atomic>;

	for (int i = 0; i < 50; i++) {
		(*kept)[i] = std::make_shared<plain>();
		TRUTH_ALLOC(shared_pointer, sizeof(block));
	}
	std::shared_ptr<plain> second = (*kept)[1];
	for (int i = 0; i < 10; i++) {
		(*kept)[i].reset();
		if (i != 1)
			TRUTH_FREE(shared_pointer, sizeof(block));
	}
	TRUTH_FREE(shared_pointer, sizeof(block)); /* at the end of this function */
}

TRUTH_FN static void unique_array()
{
	std::unique_ptr<char[]> temporary(new char[1234]);
	char *p = temporary.get();

	TRUTH_HIDE(p);
	TRUTH_ALLOC(unique_array, 1234);
	TRUTH_FREE(unique_array, 1234);
}

int main(int argc, char **argv)
{
	std::vector<long> vector;
	std::string text;
	std::map<long, long> map;
	std::vector<std::shared_ptr<plain>> pointers(50);

	/* In a static program libgcc sorts its unwind table, into a block of its own, at the first. */
	try {
		throw 1;
	} catch (int) {
		TRUTH_STAY();
	}
	truth_begin(argc, argv);
	new_scalar();
	new_array();
	new_nothrow();
	new_nothrow_fails();
	new_aligned();
	new_with_cookie();
	if (truth_argument(argc, argv, "--bad-alloc", 1))
		new_bad_alloc();
	throwing_constructor();
	throw_through_frames();
	vector_growth(&vector);
	string_growth(&text);
	map_insert(&map);
	shared_pointer(&pointers);
	unique_array();
	truth_end();
	return 0;
}
