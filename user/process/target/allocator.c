// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/allocator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "process/target/allocator_table.h"
#include "process/target/link_map.h"

struct function_row {
	const char *symbol;
	struct hf_probe_cookie cookie;
	bool may_throw;
};

#define C_ROW(symbol, function, op, size, count, pointer, result) \
	{symbol, {HF_FN_##function, HF_OP_##op, size, count, pointer, result, 0, 0}, false},
#define CXX_ROW(symbol, function, op, size, pointer, may_throw)                   \
	{symbol,                                                                  \
	 {HF_FN_##function, HF_OP_##op, size, ARG_NONE, pointer, ARG_NONE, 0, 0}, \
	 may_throw},
#define MIMALLOC_ROW(symbol, function, op, size, count, pointer, may_throw) \
	{symbol, {HF_FN_##function, HF_OP_##op, size, count, pointer, ARG_NONE, 0, 0}, may_throw},

static const struct function_row c_functions[] = {ALLOCATOR_C_FUNCTIONS(C_ROW)};
static const struct function_row cxx_functions[] = {ALLOCATOR_CXX_FUNCTIONS(CXX_ROW)};
static const struct function_row mimalloc_functions[] = {
	ALLOCATOR_MIMALLOC_FUNCTIONS(MIMALLOC_ROW)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

VEC_STRUCT(function_vec, struct allocator_function);

/* What a search works on and what it has found. */
struct finder {
	const struct target *target;
	struct link_order order;
	struct allocator_set *set;
	struct function_vec functions;
	bool named;  /* its malloc was found by name */
	int unnamed; /* what unnamed_find() answered; 0: it was not asked, or found them */
};

void allocator_set_done(struct allocator_set *set)
{
	for (size_t i = 0; i < set->function_count; i++)
		free(set->functions[i].name);
	free(set->functions);
	set->functions = NULL;
	set->function_count = set->first_new = 0;
	set->count = 0;
}

bool allocator_set_equal(const struct allocator_set *a, const struct allocator_set *b)
{
	if (a->function_count != b->function_count)
		return false;
	for (size_t i = 0; i < a->function_count; i++) {
		const struct allocator_function *x = &a->functions[i], *y = &b->functions[i];

		if (x->module != y->module || x->address != y->address ||
		    memcmp(&x->cookie, &y->cookie, sizeof(x->cookie)) != 0)
			return false;
	}
	return true;
}

static bool module_has(const struct module *module, const char *symbol)
{
	struct elf_symbol found;

	return !elf_file_find_symbol(module->elf, symbol, &found);
}

static const char *allocator_name(const struct module *module)
{
	static const struct {
		const char *name, *symbol;
	} names[] = {
#define NAME_ROW(name, symbol) {name, symbol},
		ALLOCATOR_NAMES(NAME_ROW)};
	const char *interpreter;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (module_has(module, names[i].symbol))
			return names[i].name;
	}
	if (strstr(module->path, "ld-musl-") || strstr(module->path, "libc.musl-"))
		return "musl malloc";
	interpreter = elf_file_interpreter(module->elf);
	if (interpreter && strstr(interpreter, "ld-musl-"))
		return "musl malloc";
	if (module_has(module, "malloc"))
		return "its own malloc";
	return module_has(module, "_Znwm") ? "its own operator new" : "wrappers of malloc";
}

/* The number of the allocator that lives in @module, made if new; ALLOCATOR_MAX if there are too many. */
static size_t allocator_in(struct allocator_set *set, const struct module *module, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->allocators[i].module == module)
			return i;
	}
	if (set->count < ALLOCATOR_MAX)
		set->allocators[set->count++] =
			(struct allocator){name ? name : allocator_name(module), module};
	else
		return ALLOCATOR_MAX;
	return set->count - 1;
}

static bool is_listed(const struct allocator_function *list, size_t count,
		      const struct module *module, uint64_t address)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].module == module && list[i].address == address)
			return true;
	}
	return false;
}

int allocator_set_add(struct allocator_set *set, struct allocator_set *found)
{
	size_t room = set->function_count + found->function_count, number;
	struct allocator_function *bigger =
		realloc(set->functions, (room ? room : 1) * sizeof(*bigger));

	if (bigger)
		set->functions = bigger;
	set->first_new = set->function_count;
	for (size_t i = 0; bigger && i < found->function_count; i++) {
		struct allocator_function *f = &found->functions[i];

		if (is_listed(bigger, set->function_count, f->module, f->address))
			continue;
		number = allocator_in(set, f->module, found->allocators[f->allocator].name);
		if (number == ALLOCATOR_MAX)
			continue;
		bigger[set->function_count] = *f;
		bigger[set->function_count++].allocator = (uint8_t)number;
		f->name = NULL; /* the set's now */
	}
	allocator_set_done(found);
	return bigger ? 0 : -ENOMEM;
}

static int add_function(struct finder *finder, const struct module *module,
			const struct elf_symbol *symbol, const struct function_row *row,
			const char *allocator)
{
	struct allocator_function function = {
		.module = module,
		.address = symbol->address,
		.size = symbol->size,
		.cookie = row->cookie,
		.may_throw = row->may_throw,
	};
	size_t number;
	int err;

	if (is_listed(finder->functions.items, finder->functions.count, module, symbol->address))
		return 0;
	number = allocator_in(finder->set, module, allocator);
	if (number == ALLOCATOR_MAX)
		return 0;
	function.allocator = number;
	function.name = strdup(symbol->name);
	if (!function.name)
		return -ENOMEM;
	err = vec_push(&finder->functions, function);
	if (err)
		free(function.name);
	return err;
}

static bool is_static_program(const struct finder *finder)
{
	return finder->order.count == 1 && !elf_file_interpreter(finder->order.modules[0]->elf);
}

/* As the dynamic linker: exported by a shared module, or anything defined in a static program. */
static const struct module *resolve(const struct finder *finder, const char *name,
				    struct elf_symbol *ret)
{
	bool is_static = is_static_program(finder);

	for (size_t i = 0; i < finder->order.count; i++) {
		const struct module *module = finder->order.modules[i];

		if (!elf_file_find_symbol(module->elf, name, ret) && ret->defined &&
		    (ret->dynamic || is_static))
			return module;
	}
	return NULL;
}

#define USDT_PROVIDER "otel_memory"

struct usdt_search {
	struct finder *finder;
	const struct module *module;
	bool found[2]; /* by op: ALLOC, FREE */
};

static int add_usdt(const struct usdt_probe *probe, void *user)
{
	struct usdt_search *search = user;
	struct allocator_function function = {
		.module = search->module,
		.address = probe->address,
		.usdt = {.used = true, .semaphore = probe->semaphore},
	};
	bool is_free = !strcmp(probe->name, "free");
	size_t number;
	int err;

	if (strcmp(probe->provider, USDT_PROVIDER) || (!is_free && strcmp(probe->name, "alloc")) ||
	    usdt_argument_parse(probe->arguments, 0, &function.usdt.pointer) ||
	    (!is_free && usdt_argument_parse(probe->arguments, 1, &function.usdt.size)) ||
	    is_listed(search->finder->functions.items, search->finder->functions.count,
		      search->module, probe->address))
		return 0;
	number = allocator_in(search->finder->set, search->module, ALLOCATOR_USDT_NAME);
	if (number == ALLOCATOR_MAX)
		return 0;
	function.allocator = (uint8_t)number;
	function.cookie.function = is_free ? HF_FN_FREE : HF_FN_MALLOC;
	function.cookie.op = is_free ? HF_OP_FREE : HF_OP_ALLOC;
	function.name = strdup(is_free ? USDT_PROVIDER ":free" : USDT_PROVIDER ":alloc");
	err = function.name ? vec_push(&search->finder->functions, function) : -ENOMEM;
	if (err)
		free(function.name);
	else
		search->found[is_free] = true;
	return err;
}

/* Both, or none: without the frees everything would seem to be held. */
static int find_usdts(struct finder *finder)
{
	struct usdt_search search = {.finder = finder};
	int err = 0;

	for (size_t i = 0; !err && i < finder->order.count; i++) {
		search.module = finder->order.modules[i];
		err = usdt_for_each(search.module->elf, add_usdt, &search);
	}
	if (err || (search.found[0] && search.found[1]))
		return err;
	for (size_t i = 0; i < finder->functions.count; i++)
		free(finder->functions.items[i].name);
	vec_clear(&finder->functions);
	finder->set->count = 0;
	return 0;
}

/* glibc's reallocarray is a tail call of realloc. */
static bool is_counted_elsewhere(const struct module *module, const struct function_row *row)
{
	return row->cookie.function == HF_FN_REALLOCARRAY &&
	       !strcmp(allocator_name(module), "glibc malloc");
}

static bool is_libc(const struct module *module)
{
	const char *name = allocator_name(module);

	return !strcmp(name, "glibc malloc") || !strcmp(name, "musl malloc");
}

/* libstdc++, or a program that has it linked in: its operator new ends in malloc. */
static bool is_cxx_runtime(const struct module *module)
{
	return module_has(module, "__cxa_throw");
}

static int find_process_malloc(struct finder *finder)
{
	const struct module *module, *provider = NULL;
	struct elf_symbol symbol;
	int err;

	for (size_t i = 0; i < COUNT(c_functions); i++) {
		module = resolve(finder, c_functions[i].symbol, &symbol);
		if (i == 0)
			provider = module;
		if (!provider)
			return 0;
		if (!module || is_counted_elsewhere(module, &c_functions[i]))
			continue;
		err = add_function(finder, module, &symbol, &c_functions[i], NULL);
		if (err)
			return err;
	}
	for (size_t i = 0; i < COUNT(cxx_functions); i++) {
		module = resolve(finder, cxx_functions[i].symbol, &symbol);
		/* In a static program with libc's malloc operator new is libstdc++'s. */
		if (!module || (module == provider ? is_libc(provider) : is_cxx_runtime(module)))
			continue;
		err = add_function(finder, module, &symbol, &cxx_functions[i], NULL);
		if (err)
			return err;
	}
	return 0;
}

static int find_prefixed(struct finder *finder, const struct module *module, const char *prefix)
{
	struct elf_symbol symbol;
	char name[64];
	int err;

	for (size_t i = 0; i < COUNT(c_functions); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, c_functions[i].symbol);
		if (elf_file_find_symbol(module->elf, name, &symbol))
			continue;
		err = add_function(finder, module, &symbol, &c_functions[i], NULL);
		if (err)
			return err;
	}
	return 0;
}

static int is_mimalloc_import(const struct elf_symbol *symbol, void *user)
{
	(void)user;
	return !symbol->defined && !strncmp(symbol->name, "mi_", 3);
}

/* Linked in, or called by name from another module; else its names are ways through it, passed by each call. */
static bool mimalloc_is_called_by_name(const struct finder *finder, const struct module *mimalloc)
{
	if (mimalloc == finder->target->exe_module)
		return true;
	for (size_t i = 0; i < finder->order.count; i++) {
		if (elf_file_for_each_symbol(finder->order.modules[i]->elf, is_mimalloc_import,
					     NULL) == 1)
			return true;
	}
	return false;
}

static int find_mimalloc(struct finder *finder, const struct module *module)
{
	struct elf_symbol symbol;
	int err = 0;

	if (!module_has(module, "mi_malloc") || !mimalloc_is_called_by_name(finder, module))
		return 0;
	for (size_t i = 0; !err && i < COUNT(mimalloc_functions); i++) {
		if (!elf_file_find_symbol(module->elf, mimalloc_functions[i].symbol, &symbol))
			err = add_function(finder, module, &symbol, &mimalloc_functions[i], NULL);
	}
	return err;
}

static int find_all_prefixed(struct finder *finder)
{
	static const char *const prefixes[] = {
#define PREFIX_ROW(prefix) prefix,
		ALLOCATOR_PREFIXES(PREFIX_ROW)};
	char name[64];
	int err;

	for (size_t i = 0; i < finder->order.count; i++) {
		for (size_t p = 0; p < COUNT(prefixes); p++) {
			snprintf(name, sizeof(name), "%smalloc", prefixes[p]);
			if (!module_has(finder->order.modules[i], name))
				continue;
			err = find_prefixed(finder, finder->order.modules[i], prefixes[p]);
			if (err)
				return err;
		}
		err = find_mimalloc(finder, finder->order.modules[i]);
		if (err)
			return err;
	}
	return 0;
}

static bool is_go(const struct target *target)
{
	struct elf_section section;

	return target->exe_module && target->exe_module->elf &&
	       (!elf_file_section(target->exe_module->elf, ".go.buildinfo", &section) ||
		!elf_file_section(target->exe_module->elf, ".gopclntab", &section));
}

static const struct function_row *unnamed_row(enum family_role role)
{
	static const struct function_row rows[] = {
#define UNNAMED_ROW(role, symbol, function, op, size, count, pointer, result) \
	[FAMILY_##role] = C_ROW(symbol, function, op, size, count, pointer, result)
		ALLOCATOR_UNNAMED_FUNCTIONS(UNNAMED_ROW)};

	return &rows[role];
}

/* What was found in the same program before. */
static int copy_known(struct finder *finder, const struct allocator_set *known)
{
	int err = 0;

	for (size_t i = 0; known && !err && i < known->function_count; i++) {
		const struct allocator_function *f = &known->functions[i];
		const struct function_row row = {f->name, f->cookie, f->may_throw};
		const struct elf_symbol symbol = {
			.name = f->name, .address = f->address, .size = f->size};

		if (f->module == finder->target->exe_module && !f->usdt.used)
			err = add_function(finder, f->module, &symbol, &row,
					   known->allocators[f->allocator].name);
	}
	return err;
}

/* A static program without symbols: by what its functions do. */
static int find_unnamed(struct finder *finder, const struct allocator_search *search)
{
	const struct module *module = finder->target->exe_module;
	const char *name;
	struct family family = {0};
	size_t before;
	int err;

	if (finder->named || search->names_only || !module || !is_static_program(finder) ||
	    is_go(finder->target))
		return 0;
	before = finder->functions.count;
	err = copy_known(finder, search->known);
	if (err || finder->functions.count > before)
		return err;
	finder->unnamed = unnamed_find(finder->target, search->pages, &family);
	if (finder->unnamed)
		return finder->unnamed == -ENOMEM ? -ENOMEM : 0;
	name = unnamed_allocator(module);
	err = 0;
	for (size_t i = 0; !err && i < family.count; i++) {
		const struct family_function *f = &family.items[i];
		struct function_row row = *unnamed_row(f->role);
		struct elf_symbol symbol = {
			.name = row.symbol, .address = f->address, .size = f->size};

		row.may_throw = f->may_throw;
		err = add_function(finder, module, &symbol, &row,
				   name ? name : "a malloc without a name");
	}
	family_done(&family);
	return err;
}

static const char *module_file_name(const struct module *module)
{
	const char *slash = strrchr(module->path, '/');

	return slash ? slash + 1 : module->path;
}

/* "0x401234": a function without a name, where the file has it. False: it is no address. */
static bool parse_address(const char *text, uint64_t *ret)
{
	char *end;

	if (strncmp(text, "0x", 2))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 16);
	return !errno && !*end;
}

static bool is_code(const struct elf_file *elf, uint64_t address)
{
	for (size_t i = 0; i < elf_file_segment_count(elf); i++) {
		const struct elf_segment *s = elf_file_segment(elf, i);

		if (s->executable && address >= s->address && address - s->address < s->file_bytes)
			return true;
	}
	return false;
}

/* A spec's function in one module. An address without a module's name is the program's. */
static bool find_spec_symbol(const struct finder *finder, const struct module *module,
			     const struct allocator_spec *spec, struct elf_symbol *ret)
{
	uint64_t address;

	if (!parse_address(spec->symbol, &address))
		return !elf_file_find_symbol(module->elf, spec->symbol, ret);
	if ((!spec->module && module != finder->target->exe_module) ||
	    !is_code(module->elf, address))
		return false;
	*ret = (struct elf_symbol){.name = spec->symbol, .address = address};
	return true;
}

static int find_spec(struct finder *finder, const struct allocator_spec *spec,
		     struct hf_error *error)
{
	struct function_row row = {spec->symbol, spec->cookie, false};
	struct elf_symbol symbol;
	int err, found = 0;

	for (size_t i = 0; i < finder->order.count; i++) {
		const struct module *module = finder->order.modules[i];

		if (spec->module && strcmp(module_file_name(module), spec->module))
			continue;
		if (!find_spec_symbol(finder, module, spec, &symbol))
			continue;
		err = add_function(finder, module, &symbol, &row, spec->symbol);
		if (err)
			return err;
		found++;
	}
	if (found)
		return 0;
	error_set(error, HF_E_USAGE, "no module of process %d has a function %s",
		  finder->target->key.pid, spec->symbol);
	error_why(error, "%zu modules were looked at, symbol tables of stripped ones are gone",
		  finder->order.count);
	return error_fix(
		error,
		"check the name with `nm -D` or `nm` on the program, or give its address: 0x401234");
}

static const char *why_none(const struct finder *finder)
{
	switch (finder->unnamed) {
	case 0:
		return "none of its modules exports malloc";
	case -ENOENT:
		return "it is static and stripped, and no two of its functions behave as malloc and free";
	case -EAGAIN:
		return "it is static and stripped, and its malloc, always at work, is only found where it may be stopped";
	default:
		return "it is static and stripped, and its functions could not be tried";
	}
}

static int refuse_none(const struct finder *finder, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf looked = STRBUF_INIT;

	if (is_go(finder->target)) {
		error_set(error, HF_E_NOMALLOC,
			  "process %d is a Go program: its allocator is Go's own",
			  finder->target->key.pid);
		error_why(error, "Go does not allocate through malloc");
		return error_fix(
			error,
			"use its own heap profile: go tool pprof http://.../debug/pprof/heap");
	}
	for (size_t i = 0; i < finder->order.count; i++) {
		if (i == 6) {
			strbuf_addf(&looked, " and %zu more", finder->order.count - i);
			break;
		}
		strbuf_addstr(&looked, i ? ", " : "");
		strbuf_addstr(&looked, finder->order.modules[i]->path);
	}
	error_set(error, HF_E_NOMALLOC, "no allocator found in process %d",
		  finder->target->key.pid);
	error_why(error, "%s: %s", why_none(finder),
		  finder->order.count ? looked.buf : "none could be read");
	return error_fix(
		error,
		"name its functions: --alloc 'my_alloc(size=arg1)->ret' --free 'my_free(ptr=arg1)'");
}

static int find_malloc(struct finder *finder)
{
	int err = find_process_malloc(finder);

	return err ? err : find_all_prefixed(finder);
}

int allocator_set_find(const struct target *target, const struct allocator_search *search,
		       struct allocator_set *ret, struct hf_error *error)
{
	struct finder finder = {.target = target, .set = ret};
	int err = link_order_read(target, &finder.order);

	memset(ret, 0, sizeof(*ret));
	if (!err)
		err = find_usdts(&finder);
	if (!err && !finder.functions.count)
		err = find_malloc(&finder);
	finder.named = finder.functions.count;
	for (size_t i = 0; !err && i < search->spec_count; i++)
		err = find_spec(&finder, &search->specs[i], error);
	if (!err)
		err = find_unnamed(&finder, search);
	if (!err && (!finder.functions.count || (is_go(target) && !search->spec_count)))
		err = refuse_none(&finder, error);
	link_order_done(&finder.order);
	ret->functions = finder.functions.items;
	ret->function_count = finder.functions.count;
	if (err) {
		allocator_set_done(ret);
		if (!error_is_set(error))
			error_set_errno(error, HF_E_INTERNAL, -err,
					"allocators can't be listed: %s", strerror(-err));
	}
	return err;
}
