// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cxx_exceptions: 100,000 exceptions (--count=N), each thrown at depth 20 through frames that hold
 * memory, so that unwinding crosses them, frees, and goes on. A return probe on any function that
 * an exception leaves would end the program (terminate); it must not.
 *
 * descend keeps a block in each frame, freed by its destructor; every 1,000th throw loses 7 bytes
 * (lose_at_throw). The exception objects are libstdc++'s, one block each, freed in the handler:
 * what it allocates for them is its own affair (catch_all is opaque and holds nothing).
 */
#include "truth.h"

#include <memory>

enum { DEPTH = 20 };

TRUTH_SITE(hold_in_frame);
TRUTH_SITE(lose_at_throw);
TRUTH_SITE_OPAQUE(catch_all);

static long thrown;

struct failure {
	long number;
	char text[100];
};

TRUTH_FN static char *hold_in_frame(size_t bytes)
{
	char *p = new char[bytes];

	TRUTH_STAY();
	TRUTH_ALLOC(hold_in_frame, bytes);
	return p;
}

struct holder {
	size_t bytes;
	char *p;

	explicit holder(size_t n) : bytes(n), p(hold_in_frame(n))
	{
	}
	holder(const holder &) = delete;
	holder &operator=(const holder &) = delete;
	~holder()
	{
		TRUTH_FREE(hold_in_frame, bytes);
		delete[] p;
	}
};

TRUTH_FN static void lose_at_throw()
{
	void *p = malloc(7);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(lose_at_throw, 7);
}

TRUTH_FN static void descend(int depth)
{
	holder held(16 + static_cast<size_t>(depth));

	if (depth == DEPTH) {
		if (thrown % 1000 == 0)
			lose_at_throw();
		throw failure{thrown, ""};
	}
	descend(depth + 1);
	TRUTH_STAY();
}

TRUTH_FN static void catch_all(long count)
{
	for (thrown = 0; thrown < count; thrown++) {
		try {
			descend(1);
		} catch (const failure &caught) {
			if (caught.number != thrown)
				abort();
		}
	}
}

int main(int argc, char **argv)
{
	truth_begin(argc, argv);
	catch_all(truth_argument(argc, argv, "--count", 100000));
	truth_end();
	return 0;
}
