// SPDX-License-Identifier: GPL-2.0-or-later
//
// tables: each act puts something new into a container, --kind=map, unordered_map, vector (of
// unique_ptr) or string, and nothing is ever taken out; with --limit=N it is emptied at N.
#include "course.h"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

struct Visit {
	unsigned long number;
	char page[100];
};

static std::map<unsigned long, std::string> names;
static std::unordered_map<unsigned long, Visit> visits;
static std::vector<std::unique_ptr<Visit>> history;
static std::string text;

APART static std::size_t remember_name(unsigned long number)
{
	names.emplace(number, std::string(60, 'n'));
	return names.size();
}

APART static std::size_t remember_visit(unsigned long number)
{
	visits.emplace(number, Visit{number, "page"});
	return visits.size();
}

APART static std::size_t append_visit(unsigned long number)
{
	history.push_back(std::make_unique<Visit>(Visit{number, "page"}));
	return history.size();
}

APART static std::size_t append_text(unsigned long number)
{
	text.append(200, static_cast<char>('a' + number % 26));
	return text.size() / 200;
}

static void forget_all()
{
	names.clear();
	visits.clear();
	history.clear();
	text.clear();
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 50);
	auto limit = static_cast<std::size_t>(course_number("--limit", 0));
	auto put = course_is("--kind", "map", "map")             ? remember_name
		   : course_is("--kind", "unordered_map", "map") ? remember_visit
		   : course_is("--kind", "vector", "map")        ? append_visit
								 : append_text;

	while (course_step())
		if (put(course.steps) == limit)
			forget_all();
	return 0;
}
