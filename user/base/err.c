/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	int exit_code;
	int errnum;
} error_table[] = {[HF_E_NONE] = {"NONE", 0, EIO},
#define ERROR_ROW(name, exit_code, errnum) [HF_E_##name] = {#name, exit_code, errnum},
		   HF_ERROR_CODES(ERROR_ROW)
#undef ERROR_ROW
};

void error_init(struct hf_error *e)
{
	*e = (struct hf_error)HF_ERROR_INIT;
}

void error_done(struct hf_error *e)
{
	if (!e)
		return;
	strbuf_done(&e->what);
	strbuf_done(&e->why);
	strbuf_done(&e->fix);
	error_init(e);
}

const char *error_code_name(enum hf_error_code code)
{
	return error_table[code].name;
}

int error_exit_code(enum hf_error_code code)
{
	return error_table[code].exit_code;
}

bool error_is_set(const struct hf_error *e)
{
	return e && e->code != HF_E_NONE;
}

/* The new text is composed before the old ones go: arguments may point into them. */
static int error_vset(struct hf_error *e, enum hf_error_code code, int err, const char *fmt,
		      va_list ap)
{
	struct strbuf what = STRBUF_INIT;

	if (!e)
		return err;
	strbuf_vaddf(&what, fmt, ap);
	error_done(e);
	e->code = code;
	e->err = err;
	e->what = what;
	return err;
}

int error_set(struct hf_error *e, enum hf_error_code code, const char *what_fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, what_fmt);
	err = error_vset(e, code, -error_table[code].errnum, what_fmt, ap);
	va_end(ap);
	return err;
}

int error_set_errno(struct hf_error *e, enum hf_error_code code, int errnum, const char *what_fmt,
		    ...)
{
	va_list ap;
	int err;

	va_start(ap, what_fmt);
	err = error_vset(e, code, -errnum, what_fmt, ap);
	va_end(ap);
	return err;
}

static int error_vline(struct hf_error *e, size_t line_offset, const char *fmt, va_list ap)
{
	struct strbuf text = STRBUF_INIT;
	struct strbuf *line;

	if (!error_is_set(e))
		return -EIO;
	line = (struct strbuf *)((char *)e + line_offset);
	strbuf_vaddf(&text, fmt, ap);
	strbuf_done(line);
	*line = text;
	return e->err;
}

int error_why(struct hf_error *e, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = error_vline(e, offsetof(struct hf_error, why), fmt, ap);
	va_end(ap);
	return err;
}

int error_fix(struct hf_error *e, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = error_vline(e, offsetof(struct hf_error, fix), fmt, ap);
	va_end(ap);
	return err;
}

void error_move(struct hf_error *to, struct hf_error *from)
{
	if (to == from)
		return;
	error_done(to);
	*to = *from;
	error_init(from);
}

static void add_line(struct strbuf *out, const char *label, const struct strbuf *text)
{
	_cleanup_(strbuf_done) struct strbuf safe = STRBUF_INIT;

	if (!text->len)
		return;
	strbuf_add_printable(&safe, text->buf, text->len);
	strbuf_addf(out, "  %s: %s\n", label, safe.buf);
}

void error_print(const struct hf_error *e, FILE *out)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	if (!error_is_set(e))
		return;
	strbuf_addf(&text, "holdfast: [HF-E-%s] ", error_code_name(e->code));
	strbuf_add_printable(&text, e->what.buf, e->what.len);
	strbuf_addch(&text, '\n');
	add_line(&text, "why", &e->why);
	add_line(&text, "do", &e->fix);
	if (text.failed)
		fprintf(out, "holdfast: [HF-E-%s] (out of memory)\n", error_code_name(e->code));
	else
		fwrite(text.buf, 1, text.len, out);
}
