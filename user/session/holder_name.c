// SPDX-License-Identifier: GPL-2.0-or-later
/* Who holds a group of blocks, in words. */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/elf/elf_file.h"
#include "process/symbol/demangle.h"
#include "session/build_heap.h"

DEFINE_CLEANUP(struct elf_file *, elf_file_free);

void build_heap_type(struct strbuf *out, enum heap_kind kind, const char *class_name)
{
	static const char prefix[] = "typeinfo name for ";
	_cleanup_(strbuf_done) struct strbuf mangled = STRBUF_INIT;
	_cleanup_free_ char *name = NULL;
	const char *shown;

	if (kind != HEAP_CLASS || !*class_name) {
		strbuf_addstr(out, heap_kind_name(kind));
		return;
	}
	strbuf_addf(&mangled, "_ZTS%s", class_name);
	name = mangled.failed ? NULL : symbol_demangle(mangled.buf);
	shown = name && !strncmp(name, prefix, sizeof(prefix) - 1) ? name + sizeof(prefix) - 1
								   : class_name;
	strbuf_add_printable(out, shown, strlen(shown));
}

/* The object symbol that covers an address. */
struct search {
	uint64_t address;
	struct elf_symbol found;
};

static int consider(const struct elf_symbol *symbol, void *user)
{
	struct search *search = user;

	if (!symbol->defined || symbol->type != STT_OBJECT || symbol->address > search->address ||
	    search->address - symbol->address >= symbol->size)
		return 0;
	search->found = *symbol;
	return 1;
}

static struct elf_file *open_module(int pid, const char *path)
{
	int fd = process_open_file(pid, path);
	struct elf_file *file = NULL;

	return fd >= 0 && !elf_file_open_fd(fd, &file) ? file : NULL;
}

static bool is_in_image(const struct elf_file *file, uint64_t address)
{
	for (size_t i = 0; i < elf_file_segment_count(file); i++) {
		const struct elf_segment *s = elf_file_segment(file, i);

		if (address >= s->address && address - s->address < s->memory_bytes)
			return true;
	}
	return false;
}

static void add_global(struct strbuf *out, int pid, const struct heap_holder *holder)
{
	_cleanup_(elf_file_freep) struct elf_file *file = open_module(pid, holder->path);
	struct search search = {.address = holder->address - holder->module_base};
	const char *module = report_basename(holder->path);
	uint64_t linked = 0;

	if (file && !elf_file_offset_to_address(file, 0, &linked))
		search.address += linked;
	/* Memory that happens to lie behind the module's .bss is none of its data. */
	if (file && !is_in_image(file, search.address)) {
		strbuf_addstr(out, "mapped memory");
		return;
	}
	if (file && elf_file_for_each_symbol(file, consider, &search) == 1) {
		_cleanup_free_ char *name = symbol_demangle(search.found.name);

		strbuf_addstr(out, "global ");
		if (name)
			strbuf_add_printable(out, name, strlen(name));
		if (search.address != search.found.address)
			strbuf_addf(out, "+0x%" PRIx64, search.address - search.found.address);
		strbuf_addstr(out, " of ");
		strbuf_add_printable(out, module, strlen(module));
		return;
	}
	strbuf_addstr(out, "global data of ");
	strbuf_add_printable(out, module, strlen(module));
	strbuf_addf(out, " at +0x%" PRIx64, search.address);
}

static void add_thread(struct strbuf *out, int pid, int tid)
{
	if (tid == pid)
		strbuf_addstr(out, "the main thread");
	else
		strbuf_addf(out, "thread %d", tid);
}

/* "a variable of serve_requests in the main thread" */
static void add_variable(struct strbuf *out, const struct session *session,
			 const struct heap_snapshot *snapshot, const struct heap_holder *holder)
{
	const struct stack_trace trace = {.pid = (uint32_t)snapshot->pid,
					  .first_seen_ns = snapshot->time_ns,
					  .depth = 1,
					  .pcs = &holder->return_pc};
	const char *function = holder->return_pc ? resolver_function(session->resolver, &trace, 0)
						 : "";

	strbuf_addstr(out, "a variable ");
	if (*function)
		strbuf_addf(out, "of %s in ", function);
	else
		strbuf_addstr(out, "on the stack of ");
	add_thread(out, snapshot->pid, holder->tid);
}

void build_heap_holder(struct strbuf *out, const struct session *session,
		       const struct heap_snapshot *snapshot, const struct heap_holder *holder)
{
	int pid = snapshot->pid;

	switch (holder->root) {
	case HEAP_ROOT_NONE:
		return;
	case HEAP_ROOT_REGISTER:
		strbuf_addstr(out, "a register");
		break;
	case HEAP_ROOT_STACK:
		add_variable(out, session, snapshot, holder);
		break;
	case HEAP_ROOT_STORAGE:
		strbuf_addstr(out, "thread-local storage of ");
		add_thread(out, pid, holder->tid);
		break;
	case HEAP_ROOT_GLOBAL:
		add_global(out, pid, holder);
		break;
	case HEAP_ROOT_MEMORY:
		strbuf_addstr(out, "mapped memory");
		if (*holder->path) {
			strbuf_addch(out, ' ');
			strbuf_add_printable(out, holder->path, strlen(holder->path));
		}
		break;
	}
	if (!holder->container)
		return;
	strbuf_addstr(out, ", through a block of ");
	strbuf_add_human_bytes(out, holder->container_bytes);
	strbuf_addstr(out, " (");
	build_heap_type(out, snapshot->types[holder->container_type].kind,
			snapshot->types[holder->container_type].name);
	strbuf_addch(out, ')');
}
