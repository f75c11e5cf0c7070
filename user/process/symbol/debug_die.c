/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/debug_info_internal.h"

#include <errno.h>
#include <string.h>

#include <dwarf.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define MAX_REFERENCES 16

bool die_budget_take(struct die_budget *budget)
{
	if (!budget->steps) {
		budget->exhausted = true;
		return false;
	}
	budget->steps--;
	return true;
}

int die_for_each_range(Dwarf_Die *die, struct die_budget *budget,
		       int (*visit)(uint64_t start, uint64_t end, void *user), void *user)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	int err = 0;

	while (!err && die_budget_take(budget) &&
	       (at = dwarf_ranges(die, at, &base, &start, &end)) > 0)
		err = visit(start, end, user);
	return err;
}

/* A walk over the entries beneath one, parents first, without recursion: the nesting is hostile. */
struct walk {
	Dwarf_Die path[DIE_MAX_DEPTH];
	int depth; /* of the current entry; -1: at the end */
	struct die_budget *budget;
};

static void walk_start(struct walk *w, Dwarf_Die *parent, struct die_budget *budget)
{
	w->budget = budget;
	w->depth = dwarf_child(parent, &w->path[0]) ? -1 : 0;
}

/* False at the end, or when the budget is. */
static bool walk_on(const struct walk *w)
{
	return w->depth >= 0 && die_budget_take(w->budget);
}

static Dwarf_Die *walk_current(struct walk *w)
{
	return &w->path[w->depth];
}

static void walk_over(struct walk *w)
{
	while (w->depth >= 0 && dwarf_siblingof(&w->path[w->depth], &w->path[w->depth]))
		w->depth--;
}

static void walk_into(struct walk *w)
{
	if (w->depth + 1 < DIE_MAX_DEPTH &&
	    !dwarf_child(&w->path[w->depth], &w->path[w->depth + 1]))
		w->depth++;
	else
		walk_over(w);
}

struct function_collector {
	struct range_entry_vec *entries;
	uint64_t offset;
};

static int collect_function(uint64_t start, uint64_t end, void *user)
{
	struct function_collector *c = user;

	return vec_push(c->entries,
			(struct range_entry){.start = start, .end = end, .value = c->offset});
}

static bool holds_functions(int tag, bool deep)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
		return true;
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
	case DW_TAG_inlined_subroutine:
		return deep;
	default:
		return false;
	}
}

int die_collect_functions(Dwarf_Die *unit, bool deep, struct die_budget *budget,
			  struct range_entry_vec *entries)
{
	struct walk w;
	int err = 0;

	walk_start(&w, unit, budget);
	while (!err && walk_on(&w)) {
		Dwarf_Die *die = walk_current(&w);
		int tag = dwarf_tag(die);

		if (tag == DW_TAG_subprogram) {
			struct function_collector c = {entries, dwarf_dieoffset(die)};

			err = die_for_each_range(die, budget, collect_function, &c);
		}
		if (holds_functions(tag, deep))
			walk_into(&w);
		else
			walk_over(&w);
	}
	return err;
}

struct covering {
	uint64_t address;
	bool any, covers;
};

static int check_covering(uint64_t start, uint64_t end, void *user)
{
	struct covering *c = user;

	c->any = true;
	c->covers = c->address >= start && c->address < end;
	return c->covers;
}

size_t die_inlined_at(Dwarf_Die *function, uint64_t address, struct die_budget *budget,
		      Dwarf_Die ret_chain[static DIE_MAX_INLINE])
{
	size_t count = 0;
	struct walk w;

	walk_start(&w, function, budget);
	while (walk_on(&w)) {
		Dwarf_Die *die = walk_current(&w);
		struct covering c = {.address = address};
		int tag = dwarf_tag(die);
		Dwarf_Die inside;

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
		    tag != DW_TAG_try_block && tag != DW_TAG_catch_block) {
			walk_over(&w);
			continue;
		}
		die_for_each_range(die, budget, check_covering, &c);
		if (c.covers) {
			/* only one of the siblings covers it: what lies beside is of no interest now */
			inside = *die;
			if (tag == DW_TAG_inlined_subroutine) {
				if (count == DIE_MAX_INLINE)
					break;
				ret_chain[count++] = inside;
			}
			walk_start(&w, &inside, budget);
		} else if (!c.any && tag == DW_TAG_lexical_block) {
			walk_into(&w);
		} else {
			walk_over(&w);
		}
	}
	return count;
}

/* The attribute's string, or NULL. libdw (0.188) takes one that stands in the entry for terminated. */
static const char *die_string(const struct die_names *names, Dwarf_Attribute *attribute)
{
	const char *text = attribute ? (const char *)attribute->valp : NULL;

	if (!text)
		return NULL;
	if (dwarf_whatform(attribute) != DW_FORM_string)
		return dwarf_formstring(attribute);
	for (size_t i = 0; i < names->area_count; i++) {
		const struct die_area *area = &names->areas[i];

		if (text >= area->start && text < area->end)
			return memchr(text, '\0', (size_t)(area->end - text)) ? text : NULL;
	}
	return NULL;
}

bool die_directory_is_sound(const struct die_names *names, Dwarf_Die *unit)
{
	Dwarf_Attribute value;

	return !dwarf_attr(unit, DW_AT_comp_dir, &value) ||
	       dwarf_whatform(&value) != DW_FORM_string || die_string(names, &value);
}

static const char *string_of(const struct die_names *names, Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute value;
	const char *text = die_string(names, dwarf_attr_integrate(die, attribute, &value));

	return text && *text ? text : NULL;
}

/* Where the function is declared: inside its class or namespace. */
static Dwarf_Die declaration_of(const Dwarf_Die *function)
{
	static const unsigned references[] = {DW_AT_abstract_origin, DW_AT_specification};
	Dwarf_Die die = *function, next;
	Dwarf_Attribute value;

	for (int i = 0; i < MAX_REFERENCES; i++) {
		bool moved = false;

		for (size_t k = 0; !moved && k < sizeof(references) / sizeof(*references); k++) {
			if (!dwarf_attr(&die, references[k], &value) ||
			    !dwarf_formref_die(&value, &next))
				continue;
			die = next;
			moved = true;
		}
		if (!moved)
			break;
	}
	return die;
}

static void add_scope(const struct die_names *names, Dwarf_Die *die, struct strbuf *text)
{
	const char *name = string_of(names, die, DW_AT_name);

	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
		strbuf_addf(text, "%.1024s::", name ? name : "(anonymous namespace)");
		break;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
		strbuf_addf(text, "%.1024s::", name ? name : "{unnamed type}");
		break;
	case DW_TAG_subprogram:
	case DW_TAG_module:
		if (name)
			strbuf_addf(text, "%.1024s::", name);
		break;
	default:
		break;
	}
}

/*
 * DWARF has no way up, so go down to the declaration: at each level it lies in the last entry that
 * begins before it.
 */
static int add_scopes(const struct die_names *names, Dwarf_Die *unit, Dwarf_Off target,
		      struct die_budget *budget, struct strbuf *text)
{
	Dwarf_Die holder, next;

	if (dwarf_child(unit, &holder))
		return -ENOENT;
	for (int depth = 0; depth < DIE_MAX_DEPTH; depth++) {
		if (dwarf_dieoffset(&holder) > target)
			return -ENOENT;
		while (die_budget_take(budget) && !dwarf_siblingof(&holder, &next) &&
		       dwarf_dieoffset(&next) <= target)
			holder = next;
		if (dwarf_dieoffset(&holder) == target)
			return text->failed ? -ENOMEM : 0;
		add_scope(names, &holder, text);
		if (budget->exhausted || dwarf_child(&holder, &holder))
			return -ENOENT;
	}
	return -ENOENT;
}

static bool has_namespaces(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C:
	case DW_LANG_C89:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_Mips_Assembler:
	case -1:
		return false;
	default:
		return true;
	}
}

/* One key for entries of the file and of its supplementary file. */
static uint64_t key_of(Dwarf_Die *function, Dwarf_Die *declaration)
{
	bool same = dwarf_cu_getdwarf(function->cu) == dwarf_cu_getdwarf(declaration->cu);

	return dwarf_dieoffset(declaration) << 1 | !same;
}

const char *die_name(Dwarf_Die *function, struct die_names *names, struct die_budget *budget)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	const char *name = string_of(names, function, DW_AT_linkage_name);
	Dwarf_Die declaration, unit;
	uint64_t key, known;
	char *kept;

	if (!name)
		name = string_of(names, function, DW_AT_MIPS_linkage_name);
	if (name)
		return name;
	name = string_of(names, function, DW_AT_name);
	declaration = declaration_of(function);
	if (!name || !dwarf_diecu(&declaration, &unit, NULL, NULL) || !has_namespaces(&unit))
		return name;
	key = key_of(function, &declaration);
	if (map64_get(&names->by_die, key, &known))
		return (const char *)(uintptr_t)known;
	if (add_scopes(names, &unit, dwarf_dieoffset(&declaration), budget, &text))
		return name;
	strbuf_addf(&text, "%.1024s", name);
	if (text.failed)
		return name;
	kept = arena_strndup(&names->arena, text.buf, text.len);
	if (!kept || map64_put(&names->by_die, key, (uintptr_t)kept))
		return name;
	return kept;
}
