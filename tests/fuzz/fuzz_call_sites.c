/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole ELF file whose calls are looked for, and the functions around them judged. What is found must lie in the file's
 * code, in order, within its function.
 */
#include <stdlib.h>

#include "process/code/call_sites.h"
#include "process/code/module_code.h"
#include "process/code/wrapper.h"
#include "process/elf/elf_file.h"

#define SITES 1000

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_site(const struct elf_file *file, const struct direct_call *site, uint64_t after)
{
	require(site->call > after || after == 0);
	require(site->goal < 4);
	require(site->call >= site->function_start && site->call < site->function_end);
	require(elf_file_image(file, site->call, 1) != NULL);
	if (!site->is_jump)
		require(site->result > site->call && site->result <= site->function_end);
	if (site->result_place)
		require(site->result_place >= site->result &&
			site->result_place < site->function_end);
	if (site->joined_place)
		require(site->joined_place > site->result_place &&
			site->joined_place < site->function_end);
}

static void check_wrapper(const struct wrapper *w, const struct direct_call *site)
{
	require(w->start == site->function_start && w->inner_count > 0);
	require(w->inner_count <= WRAPPER_MAX_INNER);
	for (int i = 0; i < w->inner_count; i++)
		require(w->inner[i].goal && !w->inner[i].goal->frees);
	if (w->size.kind == CODE_SIZE_ARGUMENT)
		require(w->size.argument < 6);
}

static void judge(const struct elf_file *file, const struct code_goal *goals,
		  const struct call_sites *sites)
{
	struct module_code *code;
	struct wrapper_finder *finder;
	struct wrapper wrapper;
	uint64_t last = 0;

	if (module_code_new(file, goals, 4, &code))
		return;
	if (wrapper_finder_new(module_code_view(code), &finder) == 0) {
		for (size_t i = 0; i < sites->count; i++) {
			const struct direct_call *site = &sites->items[i];

			if (i && site->function_start == last)
				continue;
			last = site->function_start;
			if (wrapper_find(finder, site->function_start, site->function_end,
					 &wrapper) == 0)
				check_wrapper(&wrapper, site);
		}
		wrapper_finder_free(finder);
	}
	module_code_free(code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct code_goal goals[4] = {
		{.symbol = "malloc",
		 .size = {CODE_SIZE_ARGUMENT, 0, 0, CODE_WHOLE, 1, 0, 0},
		 .pointer_argument = HF_ARG_NONE},
		{.symbol = "calloc",
		 .size = {CODE_SIZE_PRODUCT, 0, 1, CODE_WHOLE, 1, 0, 0},
		 .pointer_argument = HF_ARG_NONE},
		{.symbol = "realloc", .size = {CODE_SIZE_ARGUMENT, 1, 0, CODE_WHOLE, 1, 0, 0}},
		{.symbol = "free", .frees = true},
	};
	struct elf_file *file;
	struct elf_symbol symbol;
	struct call_sites sites;
	uint64_t last = 0;

	if (elf_file_open_memory(data, size, &file))
		return 0;
	for (int i = 0; i < 4; i++) {
		if (elf_file_find_symbol(file, goals[i].symbol, &symbol) == 0)
			goals[i].address = symbol.address;
	}
	if (call_sites_find(file, goals, 4, SITES, &sites) == 0) {
		require(sites.count <= SITES && sites.count == sites.calls + sites.jumps);
		for (size_t i = 0; i < sites.count; i++) {
			check_site(file, &sites.items[i], last);
			last = sites.items[i].call;
		}
		judge(file, goals, &sites);
		call_sites_done(&sites);
	}
	elf_file_free(file);
	return 0;
}
