/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which frame is the program's own, on stacks as real programs show them. */
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "report/report.h"

#define DEPTH_MAX 8

/* A stack leaf first: "function@module" or, of Python, "function@py:file", to NULL; @own is the frame to be found. */
struct example {
	unsigned int own;
	const char *frames[DEPTH_MAX];
};

static void check(const struct example *example)
{
	char functions[DEPTH_MAX][160];
	struct report_frame frames[DEPTH_MAX];
	uint32_t numbers[DEPTH_MAX], depth = 0, own;
	struct report report = {.frames = frames};

	for (; depth < DEPTH_MAX && example->frames[depth]; depth++) {
		char *at;

		snprintf(functions[depth], sizeof(functions[0]), "%s", example->frames[depth]);
		at = strrchr(functions[depth], '@');
		assert_non_null(at);
		*at = '\0';
		frames[depth] = (struct report_frame){
			.function = functions[depth], .file = "", .module = at + 1, .build_id = ""};
		if (!strncmp(at + 1, "py:", 3)) {
			frames[depth].kind = FRAME_PYTHON;
			frames[depth].file = at + 4;
			frames[depth].module = "";
		}
		numbers[depth] = depth;
	}
	report.frame_count = depth;
	own = report_first_own_frame(&report, (struct report_stack){numbers, depth});
	if (own != example->own)
		fail_msg("%s ...: %s, not %s", functions[0], functions[own],
			 functions[example->own]);
}

#define PY    "@/usr/bin/python3.11"
#define REDIS "@/usr/bin/redis-server"
#define CXX   "@/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
#define LIBC  "@/usr/lib/x86_64-linux-gnu/libc.so.6"
#define APP   "@/srv/app"

static void c_wrappers_are_not_the_programs_own(void **state)
{
	static const struct example examples[] = {
		{1, {"zmalloc_usable" REDIS, "_sdsMakeRoomFor" REDIS, "readQueryFromClient" REDIS}},
		{1, {"zcalloc_num" REDIS, "hdr_init" REDIS, "call" REDIS}},
		{1, {"zrealloc" REDIS, "raxAddChild" REDIS}},
		{2, {"__strdup" LIBC, "g_strdup@/usr/lib/libglib-2.0.so.0", "open_file" APP}},
		{2, {"g_slice_alloc0@libglib-2.0.so.0", "g_malloc0@libglib-2.0.so.0", "add" APP}},
		{2, {"ngx_alloc@nginx", "ngx_palloc_large@nginx", "ngx_http_foo@nginx"}},
		{1, {"CRYPTO_zalloc@libcrypto.so.3", "BN_new@libcrypto.so.3"}},
		{1, {"xmalloc" APP, "read_all" APP}},
		{0, {"xmalloc_statistics" APP, "main" APP}},
		{0, {"malloc_trim_timer" APP, "main" APP}},
		{0, {"start" APP, "main" APP}},
		{1, {"strdup.part.0" APP, "keep" APP}},
		{3,
		 {"mg_malloc" APP, "mg_strndup_ctx" APP, "mg_strdup_ctx.isra.0" APP,
		  "get_host" APP}},
		{2, {"jv_mem_alloc" APP, "jvp_array_alloc" APP, "jv_array" APP, "main" APP}},
		{0, {"my_pool_alloc" APP, "poll@/usr/lib/libc.so.6"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&examples[i]);
}

static void cxx_and_rust_support_is_not_the_programs_own(void **state)
{
	static const struct example examples[] = {
		{3,
		 {"operator new(unsigned long)" CXX,
		  "std::__new_allocator<int>::allocate(unsigned long, void const*)" APP,
		  "void std::vector<int>::_M_realloc_insert<int>(int&&)" APP, "work(int)" APP}},
		{1, {"tcmalloc::allocate_full_malloc_oom(unsigned long)" APP, "work(int)" APP}},
		{4,
		 {"__rdl_alloc" APP, "alloc::alloc::alloc" APP,
		  "alloc::raw_vec::RawVec<T,A>::grow_one" APP,
		  "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend" APP, "app::load" APP}},
		{0, {"allocate_buffers(int)" APP, "main" APP}},
		{0, {"core::Engine::load(int)" APP, "main" APP}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&examples[i]);
}

static void an_allocators_own_mappings_belong_to_its_caller(void **state)
{
	static const struct example examples[] = {
		{3,
		 {"__GI___mmap64" APP, "sysmalloc_mmap.constprop.0" APP, "_int_malloc" APP,
		  "fill" APP}},
		{3, {"__default_morecore" APP, "sysmalloc" APP, "__libc_malloc" APP, "fill" APP}},
		{2, {"_PyObject_ArenaMmap" PY, "new_arena" PY, "PyUnicode_New" PY}},
		{2, {"je_pages_map" APP, "je_extent_alloc_mmap" APP, "fill" APP}},
		{1, {"_mi_os_alloc" APP, "fill" APP}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&examples[i]);
}

static void inside_an_interpreter_a_named_frame_serves_better_than_an_unnamed_one(void **state)
{
	static const struct example examples[] = {
		{1, {"" PY, "PyByteArray_Resize" PY, "" PY, "_PyObject_MakeTpCall" PY}},
		{2, {"PyMem_Malloc" PY, "" PY, "PyList_Append" PY}},
		{1, {"PyMem_Malloc" PY, "" PY, "" PY}},
		{3, {"" PY, "PyDict_SetDefault" PY, "" PY, "" APP}},
		{0, {"malloc" APP, "calloc" APP}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&examples[i]);
}

static void a_mapping_belongs_to_the_caller_of_the_system_calls_wrapper(void **state)
{
	static const char *const wrappers[] = {"mmap",     "mmap64",        "__mmap",
					       "__mmap64", "__GI___mmap",   "mremap",
					       "__mremap", "__GI___mmap64", "__brk",
					       "__sbrk",   "__GI_brk",      "syscall",
					       "mmap@plt", "__shmat",       "mmap64.part.0"};
	static const char *const others[] = {"", "my_mmap", "mmap_file", "_PyObject_ArenaMmap",
					     "main"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		assert_true(report_is_mapping_call(wrappers[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(report_is_mapping_call(others[i]));
}

static void a_line_of_python_is_its_own_before_what_serves_it(void **state)
{
#define LIB "/usr/lib/python3.11/"
	static const struct example examples[] = {
		/* libffi and _ctypes only do what the line asks for. */
		{4,
		 {"ffi_call_int@/usr/lib/x86_64-linux-gnu/libffi.so.8.1.2",
		  "ffi_call@/usr/lib/x86_64-linux-gnu/libffi.so.8.1.2",
		  "x@" LIB "lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so",
		  "_PyObject_MakeTpCall" PY, "load@py:/srv/app.py", "<module>@py:/srv/app.py"}},
		/* The standard library and installed packages are not the program's own. */
		{2,
		 {"PyByteArray_Resize" PY, "dumps@py:" LIB "json/__init__.py",
		  "answer@py:/srv/app.py"}},
		{2,
		 {"call@py:<frozen importlib._bootstrap>",
		  "get@py:/opt/venv/lib/python3.11/site-packages/requests/api.py",
		  "poll@py:/opt/app/poll.py"}},
		{1,
		 {"_PyObject_MakeTpCall" PY, "dumps@py:" LIB "json/__init__.py",
		  "PyEval_EvalCode" PY}},
		/* But an extension of its own is. */
		{0,
		 {"tally_copy@/srv/app/tally.cpython-311.so", "_PyObject_MakeTpCall" PY,
		  "count@py:/srv/app/count.py"}},
		/* A function's name says nothing here. */
		{1,
		 {"PyBytes_FromStringAndSize" PY, "malloc@py:/srv/app.py", "main@py:/srv/app.py"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		check(&examples[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_python_is_its_own_before_what_serves_it),
		cmocka_unit_test(c_wrappers_are_not_the_programs_own),
		cmocka_unit_test(cxx_and_rust_support_is_not_the_programs_own),
		cmocka_unit_test(an_allocators_own_mappings_belong_to_its_caller),
		cmocka_unit_test(
			inside_an_interpreter_a_named_frame_serves_better_than_an_unnamed_one),
		cmocka_unit_test(a_mapping_belongs_to_the_caller_of_the_system_calls_wrapper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
