/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/demangle.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define MAX_RUST_BACKREFS 12
#define OPTIONS           (DMGL_PARAMS | DMGL_ANSI)

/* What a demangler has written so far. */
struct output {
	struct strbuf text;
	bool overflow;
	jmp_buf *give_up; /* NULL: the demangler holds heap memory, so let it run to its end */
};

/*
 * A 100-byte name can unfold to 2^40 bytes (each parameter twice the one before), and a callback has
 * no way to say stop. libiberty's callback forms keep their state on the stack, so leaving by longjmp
 * loses nothing.
 */
static void collect(const char *bytes, size_t len, void *user)
{
	struct output *out = user;

	if (!out->overflow && out->text.len + len <= SYMBOL_NAME_MAX_BYTES &&
	    !strbuf_add(&out->text, bytes, len))
		return;
	out->overflow = true;
	if (out->give_up)
		longjmp(*out->give_up, 1);
}

typedef int (*demangler)(const char *mangled, int options, demangle_callbackref callback,
			 void *user);

/* In a function of its own: its locals do not change between setjmp and longjmp. */
static bool run(demangler demangle, const char *name, struct output *out, bool may_jump)
{
	jmp_buf give_up;

	out->give_up = may_jump ? &give_up : NULL;
	if (may_jump && setjmp(give_up))
		return false;
	return demangle(name, OPTIONS, collect, out) && !out->overflow && out->text.len > 0;
}

static char *demangle_with(demangler demangle, const char *name, bool may_jump)
{
	struct output out = {.text = STRBUF_INIT};
	char *text = NULL;

	if (run(demangle, name, &out, may_jump))
		text = strbuf_detach(&out.text, NULL);
	strbuf_done(&out.text);
	return text;
}

/* The one place where the Rust demangler holds heap memory is a punycode identifier: "u" + digits. */
static bool has_punycode(const char *name)
{
	for (const char *u = strchr(name, 'u'); u; u = strchr(u + 1, 'u'))
		if (isdigit((unsigned char)u[1]))
			return true;
	return false;
}

static char *demangle_rust(const char *name)
{
	bool punycode = has_punycode(name);
	size_t backrefs = 0;

	/* must run to its end, so it must not be able to double its output too often */
	if (punycode) {
		for (const char *p = name; *p; p++)
			backrefs += *p == 'B';
		if (backrefs > MAX_RUST_BACKREFS)
			return NULL;
	}
	return demangle_with(rust_demangle_callback, name, !punycode);
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

char *symbol_demangle(const char *name)
{
	size_t len = strnlen(name, SYMBOL_NAME_MAX_BYTES);
	char *text = NULL;

	if (name[len])
		return strndup(name, len);
	if (starts_with(name, "_R") || starts_with(name, "_ZN"))
		text = demangle_rust(name);
	if (!text && (starts_with(name, "_Z") || starts_with(name, "_GLOBAL_")))
		text = demangle_with(cplus_demangle_v3_callback, name, true);
	return text ? text : strndup(name, len);
}

char *symbol_sanitize(const char *bytes, size_t len)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	bool cut = len > SYMBOL_NAME_MAX_BYTES;

	if (cut)
		len = SYMBOL_NAME_MAX_BYTES;
	strbuf_add_printable(&text, bytes, len);
	if (cut)
		strbuf_addstr(&text, "\xe2\x80\xa6");
	return strbuf_detach(&text, NULL);
}
