// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/runtime.h"

#include <errno.h>
#include <string.h>

#include "process/proc/process.h"
#include "process/python/debug_offsets.h"

#define DEBUG_OFFSETS_MINOR 13

static const char *const type_symbols[PYTHON_BUILTINS] = {
	[PYTHON_CODE] = "PyCode_Type",
	[PYTHON_TYPE_TYPE] = "PyType_Type",
	[PYTHON_SET] = "PySet_Type",
	[PYTHON_FROZEN_SET] = "PyFrozenSet_Type",
	[PYTHON_MODULE] = "PyModule_Type",
	[PYTHON_FUNCTION] = "PyFunction_Type",
	[PYTHON_CELL] = "PyCell_Type",
	[PYTHON_WEAK_REF] = "_PyWeakref_RefType",
	[PYTHON_WEAK_PROXY] = "_PyWeakref_ProxyType",
	[PYTHON_WEAK_CALL_PROXY] = "_PyWeakref_CallableProxyType",
	[PYTHON_BYTEARRAY] = "PyByteArray_Type",
};

/* The first mapping of each module that is there now. */
static bool is_first(const struct target *target, size_t index)
{
	const struct target_mapping *mapping = &target->mappings[index];

	if (mapping->until_ns != UINT64_MAX || !mapping->module->elf)
		return false;
	for (size_t i = 0; i < index; i++)
		if (target->mappings[i].module == mapping->module &&
		    target->mappings[i].until_ns == UINT64_MAX)
			return false;
	return true;
}

static uint64_t find_symbol(const struct target_mapping *mapping, const char *name)
{
	struct elf_symbol symbol;

	return elf_file_find_symbol(mapping->module->elf, name, &symbol)
		       ? 0
		       : symbol.address + mapping->bias;
}

/* Free-threaded builds say so by a function that only they have. */
static bool is_free_threaded(const struct target_mapping *mapping)
{
	return find_symbol(mapping, "_Py_MergeZeroLocalRefcount") != 0;
}

/* From 3.13 on the interpreter says itself where things are. */
static const char *check_offsets(int pid, const struct python_runtime *runtime,
				 const struct python_layout *layout)
{
	uint64_t words[PYTHON_DEBUG_WORDS];

	if (layout->minor < DEBUG_OFFSETS_MINOR)
		return NULL;
	if (process_read_memory(pid, runtime->address, words, sizeof(words)))
		return "its table of offsets can't be read";
	return python_debug_offsets_check(words, layout);
}

static void choose_layout(int pid, const struct target_mapping *mapping,
			  struct python_runtime *runtime)
{
	const struct python_layout *layout = python_layout_find(runtime->version_hex);

	runtime->trouble = !runtime->version_hex          ? "it is older than 3.11"
			   : is_free_threaded(mapping)    ? "it is a free-threaded build"
			   : !layout                      ? "this version is not known"
			   : !runtime->types[PYTHON_CODE] ? "PyCode_Type is not exported"
							  : check_offsets(pid, runtime, layout);
	runtime->layout = runtime->trouble ? NULL : layout;
}

int python_runtime_find(const struct target *target, struct python_runtime *ret)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		struct python_runtime runtime = {0};
		uint64_t version;

		if (!is_first(target, i))
			continue;
		runtime.address = find_symbol(mapping, "_PyRuntime");
		if (!runtime.address)
			continue;
		version = find_symbol(mapping, "Py_Version");
		if (version) {
			int err = process_read_memory(target->key.pid, version,
						      &runtime.version_hex,
						      sizeof(runtime.version_hex));

			if (err)
				return err;
		}
		for (size_t k = 0; k < PYTHON_BUILTINS; k++)
			runtime.types[k] = find_symbol(mapping, type_symbols[k]);
		choose_layout(target->key.pid, mapping, &runtime);
		*ret = runtime;
		return 0;
	}
	return -ENOENT;
}

static const struct target_mapping *mapping_of(const struct target *target,
					       const struct python_runtime *runtime)
{
	for (size_t i = 0; i < target->mapping_count; i++)
		if (is_first(target, i) &&
		    find_symbol(&target->mappings[i], "_PyRuntime") == runtime->address)
			return &target->mappings[i];
	return NULL;
}

const struct module *python_runtime_module(const struct target *target,
					   const struct python_runtime *runtime, uint64_t *ret_bias)
{
	const struct target_mapping *mapping = mapping_of(target, runtime);

	*ret_bias = mapping ? mapping->bias : 0;
	return mapping ? mapping->module : NULL;
}

uint64_t python_runtime_function(const struct target *target, const struct python_runtime *runtime,
				 const char *name)
{
	const struct target_mapping *mapping = mapping_of(target, runtime);

	return mapping ? find_symbol(mapping, name) : 0;
}
