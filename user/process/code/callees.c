// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/callees.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "process/elf/elf_file.h"

/* A map's value: the goal's number, or behind these the habit. */
#define NO_GOAL (UINT64_C(1) << 32)

struct callees {
	const struct elf_file *file;
	const struct code_goal *goals;
	size_t goal_count;
	struct strmap names;     /* of goals: &goals[i] */
	struct map64 by_address; /* functions of this module */
	struct map64 by_slot;
	struct map64 own_by_slot; /* slot -> address of a function of this module */
	bool goal_slots;
};

/* Sorted for bsearch(). */
static const char *const never_return[] = {
	"_Exit",
	"_Unwind_Resume",
	"_ZSt9terminatev",
	"__assert",
	"__assert_fail",
	"__assert_perror_fail",
	"__chk_fail",
	"__cxa_bad_cast",
	"__cxa_bad_typeid",
	"__cxa_call_unexpected",
	"__cxa_pure_virtual",
	"__cxa_rethrow",
	"__cxa_throw",
	"__cxa_throw_bad_array_length",
	"__cxa_throw_bad_array_new_length",
	"__fortify_fail",
	"__libc_fatal",
	"__longjmp_chk",
	"__stack_chk_fail",
	"_exit",
	"_longjmp",
	"abort",
	"err",
	"errx",
	"exit",
	"g_assertion_message",
	"g_assertion_message_expr",
	"longjmp",
	"pthread_exit",
	"quick_exit",
	"siglongjmp",
	"verr",
	"verrx",
};

static const char *const return_first[] = {
	"__memcpy_chk",  "__memmove_chk", "__memset_chk",  "__strcat_chk", "__strcpy_chk",
	"__strncat_chk", "__strncpy_chk", "__wmemcpy_chk", "memcpy",       "memmove",
	"memset",        "strcat",        "strcpy",        "strncat",      "strncpy",
	"wcscpy",        "wcsncpy",       "wmemcpy",       "wmemmove",     "wmemset",
};

static int compare_name(const void *key, const void *entry)
{
	return strcmp(key, *(const char *const *)entry);
}

#define IS_ONE_OF(name, list)                                                         \
	(bsearch((name), (list), sizeof(list) / sizeof((list)[0]), sizeof((list)[0]), \
		 compare_name) != NULL)

/* std::__throw_bad_alloc() and its like: _ZSt and a length before the name. */
static bool is_throw_helper(const char *name)
{
	if (strncmp(name, "_ZSt", 4) != 0)
		return false;
	name += 4;
	name += strspn(name, "0123456789");
	return strncmp(name, "__throw_", 8) == 0;
}

static enum callee_habit habit_of(const char *name)
{
	if (IS_ONE_OF(name, never_return) || is_throw_helper(name))
		return CALLEE_NEVER_RETURNS;
	return IS_ONE_OF(name, return_first) ? CALLEE_RETURNS_FIRST : CALLEE_ORDINARY;
}

static uint64_t value_of_name(const struct callees *c, const char *name)
{
	const struct code_goal *goal = strmap_get(&c->names, name);

	return goal ? (uint64_t)(goal - c->goals) : NO_GOAL + habit_of(name);
}

static struct callee callee_of(const struct callees *c, uint64_t value, uint64_t address)
{
	if (value < c->goal_count)
		return (struct callee){&c->goals[value], CALLEE_ORDINARY, address};
	return (struct callee){NULL, (enum callee_habit)(value - NO_GOAL), address};
}

static int read_goals(struct callees *c)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->goal_count; i++) {
		const struct code_goal *goal = &c->goals[i];

		if (goal->symbol && *goal->symbol && !strmap_get(&c->names, goal->symbol))
			err = strmap_put(&c->names, goal->symbol, (void *)goal, NULL);
		if (!err && goal->address && !map64_get(&c->by_address, goal->address, NULL))
			err = map64_put(&c->by_address, goal->address, i);
	}
	return err;
}

/* A function of this module whose name tells something; goals have their addresses from the caller. */
static int read_symbol(const struct elf_symbol *symbol, void *user)
{
	struct callees *c = user;
	enum callee_habit habit;

	if (!symbol->defined || !symbol->address ||
	    map64_get(&c->by_address, symbol->address, NULL))
		return 0;
	habit = habit_of(symbol->name);
	if (habit == CALLEE_ORDINARY)
		return 0;
	return map64_put(&c->by_address, symbol->address, NO_GOAL + habit);
}

static int read_slot(const struct elf_slot *slot, void *user)
{
	struct callees *c = user;
	uint64_t value;
	int err = 0;

	if (slot->name && slot->target)
		err = map64_put(&c->own_by_slot, slot->address, slot->target);
	if (err)
		return err;
	if (slot->name)
		value = value_of_name(c, slot->name);
	else if (!map64_get(&c->by_address, slot->target, &value))
		return 0;
	if (value == NO_GOAL + CALLEE_ORDINARY)
		return 0;
	c->goal_slots |= value < c->goal_count;
	return map64_put(&c->by_slot, slot->address, value);
}

int callees_new(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		struct callees **ret)
{
	struct callees *c;
	int err;

	if (goal_count >= NO_GOAL)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct callees){.file = file, .goals = goals, .goal_count = goal_count};
	strmap_init(&c->names, hash_seed_random());
	map64_init(&c->by_address, hash_seed_random());
	map64_init(&c->by_slot, hash_seed_random());
	map64_init(&c->own_by_slot, hash_seed_random());
	err = read_goals(c);
	if (!err)
		err = elf_file_for_each_symbol(file, read_symbol, c);
	if (!err)
		err = elf_file_for_each_slot(file, read_slot, c);
	if (err) {
		callees_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

void callees_free(struct callees *c)
{
	if (!c)
		return;
	strmap_done(&c->names, NULL);
	map64_done(&c->by_address);
	map64_done(&c->by_slot);
	map64_done(&c->own_by_slot);
	free(c);
}

const struct code_goal *callees_goals(const struct callees *c, size_t *ret_count)
{
	*ret_count = c->goal_count;
	return c->goals;
}

bool callees_have_slots(const struct callees *c)
{
	return c->goal_slots;
}

struct callee callees_through(const struct callees *c, uint64_t slot)
{
	uint64_t value = NO_GOAL + CALLEE_ORDINARY, address = 0;

	map64_get(&c->by_slot, slot, &value);
	map64_get(&c->own_by_slot, slot, &address);
	return callee_of(c, value, address);
}

/* [endbr64] [bnd] jmp *disp(%rip) */
static bool stub_slot(const uint8_t *code, size_t size, uint64_t address, uint64_t *ret)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	int32_t displacement;

	if (size >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	at += at < size && code[at] == 0xf2;
	if (size - at < 6 || code[at] != 0xff || code[at + 1] != 0x25)
		return false;
	memcpy(&displacement, code + at + 2, sizeof(displacement));
	*ret = address + at + 6 + (uint64_t)(int64_t)displacement;
	return true;
}

struct callee callees_at(const struct callees *c, uint64_t address)
{
	uint8_t code[CALLEE_STUB_MAX_BYTES];
	size_t size = sizeof(code);
	uint64_t value, slot;

	if (map64_get(&c->by_address, address, &value))
		return callee_of(c, value, address);
	/* a stub may be the last thing in its segment */
	while (size && elf_file_read(c->file, address, size, code))
		size--;
	if (stub_slot(code, size, address, &slot))
		return callees_through(c, slot);
	return (struct callee){NULL, CALLEE_ORDINARY, address};
}
