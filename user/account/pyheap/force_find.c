// SPDX-License-Identifier: GPL-2.0-or-later
/* The functions of a process that are called there. */
#include "account/pyheap/force.h"
#include "account/pyheap/remote_calls.h"
#include "process/elf/elf_file.h"
#include "process/proc/process.h"

#define SPARE_BYTES 64
#define PAGE_MASK   4095ULL

static uint64_t find_anywhere(const struct target *target, const char *name)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];
		struct elf_symbol symbol;

		if (m->until_ns == UINT64_MAX && m->module->elf &&
		    !elf_file_find_symbol(m->module->elf, name, &symbol))
			return symbol.address + m->bias;
	}
	return 0;
}

static bool is_zero(int pid, uint64_t address, size_t size)
{
	uint8_t bytes[SPARE_BYTES];

	if (size > sizeof(bytes) || process_read_memory(pid, address, bytes, size))
		return false;
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static uint64_t data_end(const struct elf_file *elf)
{
	uint64_t end = 0;

	for (size_t i = 0; i < elf_file_segment_count(elf); i++) {
		const struct elf_segment *s = elf_file_segment(elf, i);

		if (s->writable && s->address + s->memory_bytes > end)
			end = s->address + s->memory_bytes;
	}
	return end;
}

/* Between the end of a module's data and the end of its last page. */
static uint64_t find_spare(const struct target *target)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];
		uint64_t end;

		if (m->until_ns != UINT64_MAX || !m->module->elf)
			continue;
		end = data_end(m->module->elf);
		if (!end)
			continue;
		end = (end + m->bias + 15) & ~15ULL;
		if (end && (end & PAGE_MASK) && PAGE_MASK + 1 - (end & PAGE_MASK) >= SPARE_BYTES &&
		    is_zero(target->key.pid, end, SPARE_BYTES))
			return end;
	}
	return 0;
}

const char *force_find(const struct target *target, struct force_request *request)
{
	struct force_functions *f = &request->functions;
	const struct python_runtime *runtime = request->runtime;

	f->restorer = remote_calls_find_restorer(request->pid);
	if (!f->restorer)
		return "no code that returns from a signal was found in its C library";
	if (request->trim)
		f->trim = find_anywhere(target, "malloc_trim");
	if (request->trim && !f->trim)
		return "its C library has no malloc_trim()";
	if (!runtime)
		return NULL;
	f->ensure = python_runtime_function(target, runtime, "PyGILState_Ensure");
	f->release = python_runtime_function(target, runtime, "PyGILState_Release");
	f->collect = python_runtime_function(target, runtime, "PyGC_Collect");
	f->enable = python_runtime_function(target, runtime, "PyGC_Enable");
	f->disable = python_runtime_function(target, runtime, "PyGC_Disable");
	f->add_pending = python_runtime_function(target, runtime, "Py_AddPendingCall");
	f->run_string = python_runtime_function(target, runtime, "PyRun_SimpleString");
	f->spare = find_spare(target);
	return f->ensure && f->release && f->collect && f->enable && f->disable
		       ? NULL
		       : "its interpreter does not export the functions that are needed";
}
