/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which frame of a stack is the program's own. One table of names, seen in stacks of python3, redis, nginx, glib
 * and OpenSSL programs, of C++ and Rust, and of static glibc.
 */
#include <string.h>

#include "report/report.h"

/* File names (up to where the version starts) that are never the user's own code. */
static const char *const support_modules[] = {
	"libc.so",     "libc-2.",     "libstdc++.so", "libc++.so",  "libc++abi.so", "libgcc_s.so",
	"ld-linux",    "ld-musl",     "ld-2.",        "libpthread", "libm.so",      "libdl.so",
	"libjemalloc", "libtcmalloc", "libmimalloc",  "libpython",  "libperl.so",   "libruby",
	"libnode.so",  "libjvm.so",   "[vdso]",       "[vsyscall]", "python2",      "python3",
	"libasan.so",  "libduma",     "libefence",    "libstdc++-", "perl5",        "libluajit",
};

/*
 * Allocators and their usual wrappers, where they are linked into the program itself or named by a library's
 * symbols. As plain_name() gives them: __GI___mmap64 is mmap64, _int_malloc.part.0 is int_malloc.
 */
static const char *const allocating[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"reallocf",
	"memalign",
	"posix_memalign",
	"aligned_alloc",
	"valloc",
	"pvalloc",
	"strdup",
	"strndup",
	"wcsdup",
	"asprintf",
	"vasprintf",
	/* glibc's inside */
	"int_malloc",
	"int_realloc",
	"int_memalign",
	"mid_memalign",
	"sysmalloc",
	"sysmalloc_mmap",
	"default_morecore",
	"morecore",
	"new_heap",
	"alloc_new_heap",
	"grow_heap",
	"arena_get2",
	"tcache_init",
	"ptmalloc_init",
	/* xalloc, as GNU programs and git have it */
	"xmalloc",
	"xcalloc",
	"xrealloc",
	"xreallocarray",
	"xzalloc",
	"xnmalloc",
	"xmallocz",
	"xmemdup",
	"xmemdup0",
	"xmemdupz",
	"xstrdup",
	"xstrndup",
	"xasprintf",
	"xvasprintf",
	"zstrdup",
	/* glib */
	"g_malloc",
	"g_malloc0",
	"g_malloc_n",
	"g_malloc0_n",
	"g_realloc",
	"g_realloc_n",
	"g_try_malloc",
	"g_try_malloc0",
	"g_try_malloc_n",
	"g_try_realloc",
	"g_aligned_alloc",
	"g_strdup",
	"g_strndup",
	"g_strdup_printf",
	"g_strdup_vprintf",
	"g_strconcat",
	"g_memdup",
	"g_memdup2",
	"g_slice_alloc",
	"g_slice_alloc0",
	"g_slice_copy",
	/* OpenSSL, SQLite, PostgreSQL, PHP */
	"CRYPTO_malloc",
	"CRYPTO_zalloc",
	"CRYPTO_realloc",
	"CRYPTO_clear_realloc",
	"CRYPTO_strdup",
	"CRYPTO_strndup",
	"CRYPTO_memdup",
	"CRYPTO_secure_malloc",
	"CRYPTO_secure_zalloc",
	"palloc",
	"palloc0",
	"repalloc",
	"pstrdup",
	"MemoryContextAlloc",
	"AllocSetAlloc",
	"emalloc",
	"ecalloc",
	"erealloc",
	"estrdup",
	"safe_emalloc",
	/* nginx, Apache */
	"ngx_alloc",
	"ngx_calloc",
	"ngx_memalign",
	"ngx_palloc",
	"ngx_pnalloc",
	"ngx_pcalloc",
	"ngx_palloc_large",
	"ngx_palloc_small",
	"ngx_palloc_block",
	"ngx_create_pool",
	"apr_palloc",
	"apr_pcalloc",
	"apr_pstrdup",
	"apr_allocator_alloc",
	"apr_pool_create_ex",
	/* CPython */
	"PyObject_Malloc",
	"PyObject_Calloc",
	"PyObject_Realloc",
	"PyObject_ArenaMmap",
	"PyObject_New",
	"PyObject_NewVar",
	"PyObject_GC_New",
	"PyObject_GC_NewVar",
	"PyObject_GC_Malloc",
	"PyType_GenericAlloc",
	"PyType_AllocNoTrack",
	"new_arena",
	"allocate_from_new_pool",
	"pymalloc_alloc",
	"pymalloc_realloc",
	"gc_alloc",
	/* tcmalloc, mimalloc under their own names */
	"tc_malloc",
	"tc_calloc",
	"tc_realloc",
	"tc_memalign",
	"tc_new",
	"tc_newarray",
};

/* The same as beginnings of the name as it is written. */
static const char *const allocating_prefixes[] = {
	/* C++ */
	"std::",
	"__gnu_cxx::",
	"operator new",
	"__cxxabiv1::",
	"tcmalloc::",
	/* Rust */
	"<std::",
	"<core::",
	"<alloc::",
	"<hashbrown::",
	"core::iter::",
	"core::ops::function::",
	"core::ptr::",
	"core::option::",
	"core::result::",
	"alloc::alloc::",
	"alloc::borrow::",
	"alloc::boxed::",
	"alloc::collections::",
	"alloc::fmt::",
	"alloc::raw_vec::",
	"alloc::rc::",
	"alloc::slice::",
	"alloc::str::",
	"alloc::string::",
	"alloc::sync::",
	"alloc::vec::",
	"hashbrown::",
	"__rust_",
	"__rdl_",
	"__rg_",
	/* redis: zmalloc_usable, zcalloc_num, ... */
	"zmalloc",
	"zcalloc",
	"zrealloc",
	"ztrymalloc",
	"ztrycalloc",
	"ztryrealloc",
	/* CPython, Lua, SQLite */
	"PyMem_",
	"_PyMem_",
	"luaM_",
	"sqlite3Malloc",
	"sqlite3DbMalloc",
	"sqlite3_malloc",
	"sqlite3Realloc",
	"sqlite3_realloc",
	/* jemalloc, mimalloc */
	"je_",
	"_rjem_",
	"mi_malloc",
	"mi_calloc",
	"mi_zalloc",
	"mi_realloc",
	"mi_heap_",
	"mi_new",
	"_mi_",
};

/* Wrappers around the system calls that map memory, as plain_name() gives them. */
static const char *const mapping_calls[] = {
	"mmap", "mmap64", "mremap", "brk", "sbrk", "syscall", "shmat",
};

/* What calls main() and threads, as it is written. */
static const char *const starting[] = {
	"_start",
	"__libc_start_main",
	"__libc_start_main_impl",
	"__libc_start_call_main",
	"start_thread",
	"clone3",
	"__clone3",
	"clone",
	"__clone",
};

/* A part of a function's name; not terminated. */
struct plain_name {
	const char *text;
	size_t length;
};

/*
 * Where the qualified name starts: behind the return type, which demanglers print for templates
 * only. "std::pair<A, B> app::make<int>(int)" gives "app::make<int>(int)".
 */
static const char *qualified_name(const char *function)
{
	const char *start = function;
	int depth = 0;

	for (const char *p = function; *p; p++) {
		if (*p == '<')
			depth++;
		else if (*p == '>' && depth)
			depth--;
		else if (*p == '(' && !depth)
			break;
		else if (*p == ' ' && !depth && strncmp(start, "operator", 8) != 0)
			start = p + 1;
	}
	return start;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Without what a libc puts before its internal names, and a compiler or linker behind any. */
static struct plain_name plain_name(const char *function)
{
	struct plain_name plain = {function, 0};

	if (has_prefix(plain.text, "__GI_"))
		plain.text += strlen("__GI_");
	plain.text += strspn(plain.text, "_");
	if (has_prefix(plain.text, "libc_"))
		plain.text += strlen("libc_");
	plain.length = strcspn(plain.text, ".@(");
	return plain;
}

static bool is_listed(struct plain_name plain, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strncmp(names[i], plain.text, plain.length) && !names[i][plain.length])
			return true;
	}
	return false;
}

#define LISTED(plain, names) is_listed(plain, names, sizeof(names) / sizeof(*(names)))

bool report_is_mapping_call(const char *function)
{
	return LISTED(plain_name(function), mapping_calls);
}

static bool is_support_function(const struct report_frame *frame)
{
	const char *name = qualified_name(frame->function);
	struct plain_name written = {name, strlen(name)};

	for (size_t i = 0; i < sizeof(allocating_prefixes) / sizeof(*allocating_prefixes); i++) {
		if (has_prefix(name, allocating_prefixes[i]))
			return true;
	}
	return LISTED(plain_name(name), allocating) || LISTED(plain_name(name), mapping_calls) ||
	       LISTED(written, starting);
}

/* The standard library and what was installed beside it, be it Python or an extension. */
static bool is_installed_python(const char *path)
{
	return has_prefix(path, "<frozen") || strstr(path, "/lib/python3") != NULL;
}

/* @in_python: the stack has frames of Python: what the system's libraries do for it is not its own. */
static bool is_support_module(const struct report_frame *frame, bool in_python)
{
	const char *name = report_basename(frame->module);

	if (frame->kind == FRAME_PYTHON)
		return is_installed_python(frame->file);
	if (is_installed_python(frame->module))
		return true;
	if (in_python &&
	    (has_prefix(frame->module, "/usr/lib/") || has_prefix(frame->module, "/lib/")))
		return true;
	for (size_t i = 0; i < sizeof(support_modules) / sizeof(*support_modules); i++)
		if (has_prefix(name, support_modules[i]))
			return true;
	return frame->kind == FRAME_KERNEL;
}

static bool cut_end(struct plain_name *name, const char *end)
{
	size_t length = strlen(end);

	if (name->length < length || memcmp(name->text + name->length - length, end, length) != 0)
		return false;
	name->length -= length;
	return true;
}

/* A program's own wrapper around an allocator, by the way such are called: mg_malloc, jv_mem_alloc, mg_strdup_ctx. */
static bool is_wrapper(const struct report_frame *frame)
{
	static const char *const variants[] = {"_ctx", "_rt", "_array", "_n", "n", "0", "z"};
	static const char *const ends[] = {"alloc", "strdup", "strndup", "memdup"};
	struct plain_name name = plain_name(qualified_name(frame->function));

	for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++)
		if (cut_end(&name, variants[i]))
			break;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (cut_end(&name, ends[i]))
			return true;
	return false;
}

/* Least: no allocator. Better: named. Best: not of a library or an interpreter, nor a wrapper. */
#define OWN_MOST 4

static int ownness(const struct report_frame *frame, bool in_python)
{
	if (frame->kind != FRAME_PYTHON && is_support_function(frame))
		return 0;
	if (!is_support_module(frame, in_python))
		return frame->kind != FRAME_PYTHON && is_wrapper(frame) ? OWN_MOST - 1 : OWN_MOST;
	if (frame->kind == FRAME_PYTHON)
		return OWN_MOST - 1;
	return frame->function[0] ? 2 : 1;
}

uint32_t report_first_own_frame(const struct report *report, struct report_stack stack)
{
	bool in_python = false;
	uint32_t best = 0;
	int most = 0;

	for (uint32_t i = 0; i < stack.depth; i++)
		in_python |= report->frames[stack.frames[i]].kind == FRAME_PYTHON;
	for (uint32_t i = 0; i < stack.depth && most < OWN_MOST; i++) {
		int own = ownness(&report->frames[stack.frames[i]], in_python);

		if (own > most) {
			most = own;
			best = i;
		}
	}
	return best;
}
