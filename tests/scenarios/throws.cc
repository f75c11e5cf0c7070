// SPDX-License-Identifier: GPL-2.0-or-later
// build: also-stripped
//
// throws: an order is made for each act and checked; one in five is refused by an exception. With
// --guard=1 its owner is a unique_ptr, else the delete after the check is passed over.
#include "course.h"

#include <memory>
#include <stdexcept>

namespace shop
{

class Order
{
public:
	explicit Order(unsigned long number) : number(number), items(new int[24]())
	{
	}
	virtual ~Order()
	{
		delete[] items;
	}
	Order(const Order &) = delete;
	Order &operator=(const Order &) = delete;

	APART virtual void check() const
	{
		if (number % 5 == 0)
			throw std::invalid_argument("no such article");
	}

private:
	unsigned long number;
	int *items;
	char customer[64] = {};
};

APART static void handle_order(unsigned long number)
{
	Order *order = new Order(number);

	order->check();
	delete order;
}

APART static void handle_guarded(unsigned long number)
{
	auto order = std::make_unique<Order>(number);

	order->check();
}

} // namespace shop

int main(int argc, char **argv)
{
	course_begin(argc, argv, 100);
	auto handle = course_number("--guard", 0) ? shop::handle_guarded : shop::handle_order;

	while (course_step()) {
		try {
			handle(course.steps);
		} catch (const std::invalid_argument &) {
			course_grew(sizeof(shop::Order) + 24 * sizeof(int));
		}
	}
	return 0;
}
