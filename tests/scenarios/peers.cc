// SPDX-License-Identifier: GPL-2.0-or-later
//
// peers: each act makes two objects that refer to each other and lets go of both: by shared_ptr, or
// with --weak=1 one of them by weak_ptr, which lets them die.
#include "course.h"

#include <memory>

struct Peer {
	std::shared_ptr<Peer> other;
	std::weak_ptr<Peer> back;
	char name[88] = {};
};

// What make_shared puts before the object: a vtable and two counts.
static constexpr long SHARED_BYTES = sizeof(Peer) + 16;

APART static std::shared_ptr<Peer> make_peer()
{
	auto peer = std::make_shared<Peer>();

	peer->name[0] = 'p';
	return peer;
}

APART static void meet(bool weak)
{
	auto first = make_peer(), second = make_peer();

	first->other = second;
	if (weak) {
		second->back = first;
		return;
	}
	second->other = first;
	course_grew(2 * SHARED_BYTES);
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 25);
	bool weak = course_number("--weak", 0) != 0;

	while (course_step())
		meet(weak);
	return 0;
}
