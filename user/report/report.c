/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <errno.h>
#include <string.h>

static const char *const frame_kinds[] = {
#define X(upper, name) name,
	REPORT_FRAME_KINDS(X)
#undef X
};

static const char *const capture_modes[] = {
#define X(upper, name) name,
	REPORT_CAPTURE_MODES(X)
#undef X
};

/* File names (up to where the version starts) that are never the user's own code. */
static const char *const support_modules[] = {
	"libc.so",     "libc-2.",     "libstdc++.so", "libc++.so",  "libc++abi.so", "libgcc_s.so",
	"ld-linux",    "ld-musl",     "ld-2.",        "libpthread", "libm.so",      "libdl.so",
	"libjemalloc", "libtcmalloc", "libmimalloc",  "libpython",  "libperl.so",   "libruby",
	"libnode.so",  "libjvm.so",   "[vdso]",       "[vsyscall]", "python2",      "python3",
	"libasan.so",  "libduma",     "libefence",    "libstdc++-", "perl5",        "libluajit",
};

/* Allocators and their usual wrappers, where they are linked into the program itself. */
static const char *const support_functions[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"memalign",
	"posix_memalign",
	"valloc",
	"pvalloc",
	"strdup",
	"strndup",
	"aligned_alloc",
	"xmalloc",
	"xcalloc",
	"xrealloc",
	"xstrdup",
	"xstrndup",
	"zmalloc",
	"zcalloc",
	"zrealloc",
	"g_malloc",
	"g_malloc0",
	"g_malloc_n",
	"g_realloc",
	"g_strdup",
	"g_slice_alloc",
	"CRYPTO_malloc",
	"CRYPTO_realloc",
	"__libc_malloc",
	"__libc_calloc",
	"_start",
	"__libc_start_main",
	"__libc_start_call_main",
	"mmap",
	"mmap64",
	"mremap",
	"sbrk",
	"brk",
};

const char *frame_kind_name(enum frame_kind kind)
{
	return (unsigned int)kind < FRAME_KIND_COUNT ? frame_kinds[kind] : "";
}

int frame_kind_parse(const char *name, enum frame_kind *ret_kind)
{
	for (unsigned int i = 0; i < FRAME_KIND_COUNT; i++) {
		if (!strcmp(frame_kinds[i], name)) {
			*ret_kind = (enum frame_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *capture_mode_name(enum capture_mode mode)
{
	return (unsigned int)mode < CAPTURE_MODE_COUNT ? capture_modes[mode] : "";
}

int capture_mode_parse(const char *name, enum capture_mode *ret_mode)
{
	for (unsigned int i = 0; i < CAPTURE_MODE_COUNT; i++) {
		if (!strcmp(capture_modes[i], name)) {
			*ret_mode = (enum capture_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *report_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

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

static bool is_support_function(const struct report_frame *frame)
{
	const char *name = qualified_name(frame->function);

	if (has_prefix(name, "std::") || has_prefix(name, "__gnu_cxx::") ||
	    has_prefix(name, "operator new") || has_prefix(name, "__cxxabiv1::") ||
	    has_prefix(name, "alloc::alloc::") || has_prefix(name, "__rust_"))
		return true;
	for (size_t i = 0; i < sizeof(support_functions) / sizeof(*support_functions); i++)
		if (!strcmp(name, support_functions[i]))
			return true;
	return false;
}

static bool is_support_module(const struct report_frame *frame)
{
	const char *name = report_basename(frame->module);

	if (frame->kind == FRAME_PYTHON)
		return has_prefix(frame->file, "<frozen") ||
		       strstr(frame->file, "/lib/python3") != NULL;
	for (size_t i = 0; i < sizeof(support_modules) / sizeof(*support_modules); i++)
		if (has_prefix(name, support_modules[i]))
			return true;
	return frame->kind == FRAME_KERNEL;
}

uint32_t report_first_own_frame(const struct report *report, struct report_stack stack)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < stack.depth; i++) {
			const struct report_frame *frame = &report->frames[stack.frames[i]];

			if (!is_support_function(frame) && (pass || !is_support_module(frame)))
				return i;
		}
	}
	return 0;
}
