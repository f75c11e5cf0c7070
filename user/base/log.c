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
#include "base/json_text.h"
#include "base/strbuf.h"

static atomic_int log_threshold = LOG_LEVEL_WARN;
static atomic_int log_line_form = LOG_FORM_PLAIN;

#define DEBUG_COUNT_MAX 32
#define DEBUG_NAME_SIZE 32

static char log_debug_names[DEBUG_COUNT_MAX][DEBUG_NAME_SIZE];
static atomic_uint log_debug_count;

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

void log_set_debug(const char *const *components, size_t count)
{
	unsigned int kept = 0;

	atomic_store_explicit(&log_debug_count, 0, memory_order_relaxed);
	for (size_t i = 0; i < count && kept < DEBUG_COUNT_MAX; i++) {
		size_t length = strlen(components[i]);

		if (length && length < DEBUG_NAME_SIZE)
			memcpy(log_debug_names[kept++], components[i], length + 1);
	}
	atomic_store_explicit(&log_debug_count, kept, memory_order_release);
}

/* The last folder of a source path: "user/capture/probe/attach.c" is of "probe". */
static const char *component_of(const char *source_file, size_t *ret_length)
{
	const char *slash = strrchr(source_file, '/');
	const char *start = slash;

	if (!slash) {
		*ret_length = strlen("holdfast");
		return "holdfast";
	}
	while (start > source_file && start[-1] != '/')
		start--;
	*ret_length = (size_t)(slash - start);
	return start;
}

bool log_enabled_at(enum log_level level, const char *source_file)
{
	unsigned int count = atomic_load_explicit(&log_debug_count, memory_order_acquire);
	const char *component;
	size_t length;

	if (log_enabled(level))
		return true;
	if (!count)
		return false;
	component = component_of(source_file, &length);
	for (unsigned int i = 0; i < count; i++) {
		if (strlen(log_debug_names[i]) == length &&
		    !memcmp(log_debug_names[i], component, length))
			return true;
	}
	return false;
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

struct line {
	enum log_level level;
	struct strbuf component, message;
	const struct log_field *fields;
	size_t field_count;
};

static void add_quoted(struct strbuf *out, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf safe = STRBUF_INIT;

	strbuf_add_printable(&safe, text, strlen(text));
	strbuf_addch(out, '"');
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.buf[i] == '"')
			strbuf_addch(out, '\\');
		strbuf_addch(out, safe.buf[i]);
	}
	strbuf_addch(out, '"');
}

static void compose_plain(struct strbuf *out, const struct line *line)
{
	strbuf_addf(out, "holdfast: %s: %s: ", level_names[line->level], line->component.buf);
	strbuf_add_printable(out, line->message.buf, line->message.len);
	for (size_t i = 0; i < line->field_count; i++) {
		strbuf_addf(out, "%s%s=", i ? " " : " (", line->fields[i].name);
		strbuf_add_printable(out, line->fields[i].value, strlen(line->fields[i].value));
	}
	if (line->field_count)
		strbuf_addch(out, ')');
}

static void compose_logfmt(struct strbuf *out, const struct line *line)
{
	strbuf_addstr(out, "ts=");
	clock_add_rfc3339(out, clock_wall_ns());
	strbuf_addf(out, " level=%s component=%s", level_names[line->level], line->component.buf);
	for (size_t i = 0; i < line->field_count; i++) {
		strbuf_addf(out, " %s=", line->fields[i].name);
		add_quoted(out, line->fields[i].value);
	}
	strbuf_addstr(out, " msg=");
	add_quoted(out, line->message.buf);
}

static void compose_json(struct strbuf *out, const struct line *line)
{
	strbuf_addstr(out, "{\"ts\":\"");
	clock_add_rfc3339(out, clock_wall_ns());
	strbuf_addf(out, "\",\"level\":\"%s\",\"component\":", level_names[line->level]);
	json_text_add(out, line->component.buf);
	for (size_t i = 0; i < line->field_count; i++) {
		strbuf_addf(out, ",\"%s\":", line->fields[i].name);
		json_text_add(out, line->fields[i].value);
	}
	strbuf_addstr(out, ",\"msg\":");
	json_text_add(out, line->message.buf);
	strbuf_addch(out, '}');
}

static void write_line(const struct line *line)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	switch (atomic_load_explicit(&log_line_form, memory_order_relaxed)) {
	case LOG_FORM_LOGFMT:
		compose_logfmt(&out, line);
		break;
	case LOG_FORM_JSON:
		compose_json(&out, line);
		break;
	default:
		compose_plain(&out, line);
	}
	strbuf_addch(&out, '\n');
	/* nothing can be done about a stderr that takes no more */
	(void)write_full(STDERR_FILENO, out.buf, out.len);
}

static void line_done(struct line *line)
{
	strbuf_done(&line->component);
	strbuf_done(&line->message);
}

void log_write_fields(enum log_level level, const char *component, const char *message,
		      const struct log_field *fields, size_t count)
{
	_cleanup_(line_done) struct line line = {
		.level = level,
		.component = STRBUF_INIT,
		.message = STRBUF_INIT,
		.fields = fields,
		.field_count = count,
	};
	int saved = errno;

	strbuf_addstr(&line.component, component);
	strbuf_addstr(&line.message, message);
	write_line(&line);
	errno = saved;
}

int log_write(enum log_level level, const char *source_file, int err, const char *fmt, ...)
{
	_cleanup_(line_done) struct line line = {
		.level = level,
		.component = STRBUF_INIT,
		.message = STRBUF_INIT,
	};
	int saved = errno;
	const char *component;
	size_t length;
	va_list ap;

	component = component_of(source_file, &length);
	strbuf_add(&line.component, component, length);
	va_start(ap, fmt);
	strbuf_vaddf(&line.message, fmt, ap);
	va_end(ap);
	if (err)
		strbuf_addf(&line.message, ": %s", strerrordesc_np(-err) ?: "unknown error");
	write_line(&line);
	errno = saved;
	return err;
}
