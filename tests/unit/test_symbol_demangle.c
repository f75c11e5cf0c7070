/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of C++ and Rust made readable, and hostile ones harmless. */
#include "process/symbol/demangle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cmocka_all.h"

static void demangles_to(const char *mangled, const char *want)
{
	char *text = symbol_demangle(mangled);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void cxx_names_are_demangled_with_parameters(void **state)
{
	(void)state;
	demangles_to("_ZN3foo3barEv", "foo::bar()");
	demangles_to("_ZN5outer5inner3BoxIiE3getEi", "outer::inner::Box<int>::get(int)");
	demangles_to("_ZNKSt6vectorIiSaIiEE4sizeEv",
		     "std::vector<int, std::allocator<int> >::size() const");
	demangles_to("_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const");
	demangles_to("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()");
	demangles_to("_Z3fooi.constprop.0", "foo(int) [clone .constprop.0]");
}

static void rust_names_are_demangled_without_hash(void **state)
{
	(void)state;
	demangles_to("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE",
		     "core::fmt::Formatter::write_str");
	demangles_to(
		"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar"
		"17h930b740aa94f1d3aE",
		"<Test + 'static as foo::Bar<Test>>::bar");
	demangles_to("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	demangles_to("_RNvMs0_NtCs5l0EXMQXRMU_21rustc_data_structures5sortsNtB5_4Node3new",
		     "<rustc_data_structures::sorts::Node>::new");
	/* an identifier in punycode */
	demangles_to("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
		     "utf8_idents::საჭმელად_გემრიელი_სადილი");
}

static void what_is_not_mangled_stays(void **state)
{
	(void)state;
	demangles_to("", "");
	demangles_to("main", "main");
	/* types in C++'s mangling, and C names all the same */
	demangles_to("i", "i");
	demangles_to("f", "f");
	demangles_to("_Z", "_Z");
	demangles_to("_Zzz", "_Zzz");
	demangles_to("_R", "_R");
	demangles_to("_ZN", "_ZN");
}

/* Each parameter's type is a pair of the one before: 60 of them would unfold to 2^60 bytes. */
static void name_that_doubles_with_each_parameter_is_given_up(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct strbuf name = STRBUF_INIT;
	char *text;

	(void)state;
	strbuf_addstr(&name, "_Z1f1PIiiE");
	for (size_t i = 0; i < strlen(digits); i++)
		strbuf_addf(&name, "S_IS%c_S%c_E", digits[i], digits[i]);
	assert_false(name.failed);
	text = symbol_demangle(name.buf);
	assert_string_equal(text, name.buf);
	free(text);
	/* and a short one of that make is not */
	strbuf_truncate(&name, strlen("_Z1f1PIiiES_IS0_S0_E"));
	text = symbol_demangle(name.buf);
	assert_string_equal(text, "f(P<int, int>, P<P<int, int>, P<int, int> >)");
	free(text);
	strbuf_done(&name);
}

/* A Rust v0 name whose generic arguments are tuples, each of two back references to the one before. */
static void rust_doubling(struct strbuf *name, const char *start, int times)
{
	static const char base62[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t last, at;

	strbuf_addstr(name, start);
	last = name->len - strlen("TlE") - 2; /* positions count from behind "_R" */
	for (int i = 0; i < times; i++) {
		assert_true(last >= 1 && last - 1 < 62 * 62);
		at = name->len - 2;
		strbuf_addch(name, 'T');
		for (int twice = 0; twice < 2; twice++) {
			strbuf_addch(name, 'B');
			if (last - 1 >= 62)
				strbuf_addch(name, base62[(last - 1) / 62]);
			strbuf_addf(name, "%c_", base62[(last - 1) % 62]);
		}
		strbuf_addch(name, 'E');
		last = at;
	}
	strbuf_addch(name, 'E');
	assert_false(name->failed);
}

/* Also with punycode, where the demangler holds memory, so that we may not jump out of it. */
static void rust_name_that_doubles_is_given_up(void **state)
{
	static const char *const starts[] = {"_RINvC1a1bTlE", "_RINvC1au3fooTlE"};
	struct strbuf name = STRBUF_INIT;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		strbuf_reset(&name);
		rust_doubling(&name, starts[k], 25);
		demangles_to(name.buf, name.buf);
	}
	strbuf_reset(&name);
	rust_doubling(&name, starts[0], 2);
	demangles_to(name.buf,
		     "a::b::<(i32,), ((i32,), (i32,)), (((i32,), (i32,)), ((i32,), (i32,)))>");
	strbuf_done(&name);
}

static void deep_and_long_names_are_survived(void **state)
{
	_cleanup_free_ char *name = malloc(4 * SYMBOL_NAME_MAX_BYTES + 1);
	char *text;

	(void)state;
	assert_non_null(name);
	/* 60,000 pointers to pointers */
	memset(name, 'P', 60000);
	memcpy(name, "_Z1f", 4);
	memcpy(name + 60000, "i", 2);
	text = symbol_demangle(name);
	assert_string_equal(text, name);
	free(text);
	/* longer than we keep */
	memset(name, 'x', 4 * SYMBOL_NAME_MAX_BYTES);
	name[4 * SYMBOL_NAME_MAX_BYTES] = '\0';
	text = symbol_demangle(name);
	assert_int_equal(strlen(text), SYMBOL_NAME_MAX_BYTES);
	free(text);
}

static void sanitizes_to(const char *bytes, size_t len, const char *want)
{
	char *text = symbol_sanitize(bytes, len);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void control_characters_and_broken_utf8_are_escaped(void **state)
{
	(void)state;
	sanitizes_to("foo(int)", 8, "foo(int)");
	sanitizes_to("a\033[31mb\n", 8, "a\\x1b[31mb\\x0a");
	sanitizes_to("\xc3\xa4", 2, "\xc3\xa4");
	sanitizes_to("\xc3", 1, "\\xc3");
	sanitizes_to("\xc2\x9b", 2, "\\xc2\\x9b");          /* a C1 control: CSI */
	sanitizes_to("\xe2\x80\xae", 3, "\\xe2\\x80\\xae"); /* right-to-left override */
	sanitizes_to("nul\0in", 6, "nul\\x00in");
	/* so that the escapes cannot be forged */
	sanitizes_to("\\x1b", 4, "\\\\x1b");
}

static void what_is_too_long_is_cut_visibly(void **state)
{
	_cleanup_free_ char *name = malloc(SYMBOL_NAME_MAX_BYTES + 1);
	char *text;

	(void)state;
	memset(name, 'x', SYMBOL_NAME_MAX_BYTES + 1);
	text = symbol_sanitize(name, SYMBOL_NAME_MAX_BYTES + 1);
	assert_int_equal(strlen(text), SYMBOL_NAME_MAX_BYTES + 3);
	assert_string_equal(text + SYMBOL_NAME_MAX_BYTES, "\xe2\x80\xa6");
	free(text);
	text = symbol_sanitize(name, SYMBOL_NAME_MAX_BYTES);
	assert_int_equal(strlen(text), SYMBOL_NAME_MAX_BYTES);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx_names_are_demangled_with_parameters),
		cmocka_unit_test(rust_names_are_demangled_without_hash),
		cmocka_unit_test(what_is_not_mangled_stays),
		cmocka_unit_test(name_that_doubles_with_each_parameter_is_given_up),
		cmocka_unit_test(rust_name_that_doubles_is_given_up),
		cmocka_unit_test(deep_and_long_names_are_survived),
		cmocka_unit_test(control_characters_and_broken_utf8_are_escaped),
		cmocka_unit_test(what_is_too_long_is_cut_visibly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
