/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/strbuf.h"

static atomic_int log_threshold = LOG_LEVEL_WARN;
static atomic_int log_line_form = LOG_FORM_PLAIN;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

void log_set_form(enum log_form form)
{
	atomic_store_explicit(&log_line_form, (int)form, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!strcmp(name, level_names[i])) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The last folder of a source path: "user/capture/probe/attach.c" is of "probe". */
static void add_component(struct strbuf *out, const char *source_file)
{
	const char *slash = strrchr(source_file, '/');
	const char *start = slash;

	if (!slash) {
		strbuf_addstr(out, "holdfast");
		return;
	}
	while (start > source_file && start[-1] != '/')
		start--;
	strbuf_add(out, start, (size_t)(slash - start));
}

static void add_quoted(struct strbuf *out, const struct strbuf *text)
{
	strbuf_addch(out, '"');
	for (size_t i = 0; i < text->len; i++) {
		if (text->buf[i] == '"')
			strbuf_addch(out, '\\');
		strbuf_addch(out, text->buf[i]);
	}
	strbuf_addch(out, '"');
}

static void compose_line(struct strbuf *line, enum log_level level, const char *source_file,
			 const struct strbuf *message)
{
	if (atomic_load_explicit(&log_line_form, memory_order_relaxed) == LOG_FORM_LOGFMT) {
		strbuf_addstr(line, "ts=");
		clock_add_rfc3339(line, clock_wall_ns());
		strbuf_addf(line, " level=%s component=", level_names[level]);
		add_component(line, source_file);
		strbuf_addstr(line, " msg=");
		add_quoted(line, message);
	} else {
		strbuf_addf(line, "holdfast: %s: ", level_names[level]);
		add_component(line, source_file);
		strbuf_addstr(line, ": ");
		strbuf_add(line, message->buf, message->len);
	}
	strbuf_addch(line, '\n');
}

int log_write(enum log_level level, const char *source_file, int err, const char *fmt, ...)
{
	_cleanup_(strbuf_done) struct strbuf raw = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf message = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&raw, fmt, ap);
	va_end(ap);
	if (err)
		strbuf_addf(&raw, ": %s", strerrordesc_np(-err) ?: "unknown error");
	strbuf_add_printable(&message, raw.buf, raw.len);
	compose_line(&line, level, source_file, &message);
	/* nothing can be done about a stderr that takes no more */
	(void)write_full(STDERR_FILENO, line.buf, line.len);
	errno = saved;
	return err;
}
