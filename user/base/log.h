/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - diagnostics for whoever debugs holdfast or watches the agent; errors for users go through
 * err.h.
 *
 * One line per call on stderr, one write(2) each, so lines of several threads do not mix:
 *	plain	holdfast: debug: probe: attached 14 probes to pid 4312
 *	logfmt	ts=2026-01-02T03:04:05.678Z level=debug component=probe msg="attached 14 probes to pid 4312"
 *	JSON	{"ts":"2026-01-02T03:04:05.678Z","level":"debug","component":"probe","msg":"attached …"}
 * The component is the folder of the calling source file. Whoever has the context logs,
 * once, and hands the error on in the same statement: `return log_err(err, "cannot attach to pid
 * %d", pid);`
 *
 * Thread-safe. Level, form and the components at level debug are the only process-wide state; set them before
 * threads start, or where there are none.
 */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_form { LOG_FORM_PLAIN, LOG_FORM_LOGFMT, LOG_FORM_JSON };

/* Default LOG_LEVEL_WARN. */
void log_set_level(enum log_level level);
void log_set_form(enum log_form form);
/* These components log at level debug, whatever the level is. A name longer than 31 bytes, and more than 32 of them, are
 * not heeded: no folder of ours is called so. */
void log_set_debug(const char *const *components, size_t count);
bool log_enabled(enum log_level level);
/* The same for one source file's component. */
bool log_enabled_at(enum log_level level, const char *source_file);

/* Names "error", "warn", "info", "debug". The parser returns 0 or -EINVAL. */
const char *log_level_name(enum log_level level);
int log_level_parse(const char *name, enum log_level *ret_level);

/* Behind the macros. `source_file` is __FILE__. Returns `err`. `err` != 0 appends ":
 * <strerror(-err)>". */
int log_write(enum log_level level, const char *source_file, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* What a line says besides its message: names are of [a-z_], values any text. */
struct log_field {
	const char *name, *value;
};

/* A line with fields, and a component that is no folder: `event`, say. Plain form: the fields in brackets behind it. */
void log_write_fields(enum log_level level, const char *component, const char *message,
		      const struct log_field *fields, size_t count);

#define log_at_(level, err, ...) \
	(log_enabled_at(level, __FILE__) ? log_write((level), __FILE__, (err), __VA_ARGS__) : (err))

/* Logs at level error (or warn, debug) and evaluates to `err`, a negative errno. */
#define log_err(err, ...)       log_at_(LOG_LEVEL_ERROR, (err), __VA_ARGS__)
#define log_warn_err(err, ...)  log_at_(LOG_LEVEL_WARN, (err), __VA_ARGS__)
#define log_debug_err(err, ...) log_at_(LOG_LEVEL_DEBUG, (err), __VA_ARGS__)

#define log_error(...) ((void)log_at_(LOG_LEVEL_ERROR, 0, __VA_ARGS__))
#define log_warn(...)  ((void)log_at_(LOG_LEVEL_WARN, 0, __VA_ARGS__))
#define log_info(...)  ((void)log_at_(LOG_LEVEL_INFO, 0, __VA_ARGS__))
#define log_debug(...) ((void)log_at_(LOG_LEVEL_DEBUG, 0, __VA_ARGS__))

#endif
