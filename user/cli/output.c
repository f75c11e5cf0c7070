// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "session/replay.h"
#include "session/rules.h"

#define WIDTH_DEFAULT 100
#define WIDTH_MIN     60

static bool is_dumb(void)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return (no_color && *no_color) || (term && !strcmp(term, "dumb"));
}

void output_options(const struct config *config, struct export_options *ret)
{
	struct winsize size = {0};
	bool terminal = isatty(STDOUT_FILENO);

	setlocale(LC_CTYPE, "");
	*ret = (struct export_options){
		.width = WIDTH_DEFAULT,
		.frames = config->frames == CONFIG_ALL ? UINT32_MAX : (uint32_t)config->frames,
		.color = terminal && !is_dumb(),
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.patterns = true,
	};
	if (terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= WIDTH_MIN)
		ret->width = size.ws_col;
}

bool output_shows_progress(const struct config *config)
{
	return isatty(STDERR_FILENO) && !config->quiet && !is_dumb();
}

void output_add_progress(struct strbuf *line, const struct config *config, uint64_t elapsed_ns)
{
	strbuf_addf(line, "\r\033[K%3.0f s", (double)elapsed_ns / 1e9);
	if (config->for_ns)
		strbuf_addf(line, " of %.0f", (double)config->for_ns / 1e9);
}

/* One output file: its format and its name. */
struct file {
	enum export_format format;
	const char *path;
};

VEC_STRUCT(file_vec, struct file);
VEC_STRUCT(name_vec, const char *);

static int list_files(const struct config *config, struct file_vec *ret)
{
	const struct file named[] = {
		{EXPORT_JSON, config->json},
		{EXPORT_HTML, config->html},
		{EXPORT_FOLDED, config->folded},
		{EXPORT_PPROF, config->pprof},
		{EXPORT_SPEEDSCOPE, config->speedscope},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(named) / sizeof(named[0]); i++) {
		if (named[i].path)
			err = vec_push(ret, named[i]);
	}
	return err;
}

/* Letters that a shell might mind are replaced. */
int output_prefix(const struct config *config, const char *comm, int pid, struct strbuf *ret)
{
	int err = strbuf_addstr(ret, config->prefix ? config->prefix : "hf-");

	if (err || config->prefix)
		return err;
	for (const char *c = comm; !err && *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || *c == '.' || *c == '_' || *c == '-';

		err = strbuf_addch(ret, plain ? *c : '_');
	}
	return err ? err : strbuf_addf(ret, "-%d", pid);
}

static bool has_format(const struct file_vec *files, enum export_format format)
{
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i].format == format)
			return true;
	}
	return false;
}

static int add_defaults(const struct config *config, const struct report *report,
			struct strbuf *json, struct strbuf *html, struct file_vec *files)
{
	_cleanup_(strbuf_done) struct strbuf prefix = STRBUF_INIT;
	int err = output_prefix(config, report->target.comm, report->target.pid, &prefix);

	if (!err)
		err = strbuf_addf(json, "%s.json.gz", prefix.buf);
	if (!err)
		err = strbuf_addf(html, "%s.html", prefix.buf);
	if (!err && !has_format(files, EXPORT_JSON))
		err = vec_push(files, (struct file){EXPORT_JSON, json->buf});
	if (!err && !has_format(files, EXPORT_HTML))
		err = vec_push(files, (struct file){EXPORT_HTML, html->buf});
	return err;
}

static void log_part(const char *part, uint64_t began_ns)
{
	log_debug("report part %s: %.3f ms", part, (double)(clock_now_ns() - began_ns) / NS_PER_MS);
}

/* All files, even after one failed: a report that is lost cannot be made again. */
static int write_files(const struct file_vec *files, const struct report *report,
		       struct export_options *options, struct name_vec *written,
		       struct hf_error *error)
{
	int result = 0, err;

	for (size_t i = 0; i < files->count; i++) {
		const struct file *file = &files->items[i];
		struct hf_error one = HF_ERROR_INIT;
		uint64_t began_ns = clock_now_ns();

		err = export_file(file->format, report, options, file->path, &one);
		log_part(exporters[file->format].name, began_ns);
		if (err && !result) {
			result = err;
			error_move(error, &one);
		}
		error_done(&one);
		if (!err && strcmp(file->path, "-") != 0 && vec_push(written, file->path))
			return -ENOMEM;
	}
	return result;
}

static bool takes_stdout(const struct file_vec *files)
{
	for (size_t i = 0; i < files->count; i++) {
		if (!strcmp(files->items[i].path, "-"))
			return true;
	}
	return false;
}

int output_report(const struct config *config, const struct report *report, bool defaults,
		  struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, html = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	struct file_vec files = VEC_INIT;
	struct name_vec written = VEC_INIT;
	struct export_options options;
	struct hf_error text_error = HF_ERROR_INIT;
	int err = list_files(config, &files);
	uint64_t began_ns;

	output_options(config, &options);
	if (!err && defaults)
		err = add_defaults(config, report, &json, &html, &files);
	options.packed = &packed;
	if (!err)
		err = write_files(&files, report, &options, &written, error);
	options.written = written.items;
	options.written_count = written.count;
	began_ns = clock_now_ns();
	if (!config->quiet && !takes_stdout(&files)) {
		if (export_file(EXPORT_TEXT, report, &options, "-", &text_error) && !err) {
			err = -EIO;
			error_move(error, &text_error);
		}
		log_part(exporters[EXPORT_TEXT].name, began_ns);
	}
	error_done(&text_error);
	vec_done(&files);
	vec_done(&written);
	return err;
}

static int refuse_write(int err, const char *path, struct hf_error *error)
{
	error_set_errno(error, HF_E_CANTWRITE, -err, "%s can't be written",
			strcmp(path, "-") != 0 ? path : "stdout");
	return error_why(error, "%s",
			 err == -ELOOP ? "it is a symbolic link, and these are not followed"
				       : strerror(-err));
}

int output_append(const struct strbuf *text, const char *path, struct hf_error *error)
{
	_cleanup_close_ int fd = -1;
	int err = text->failed ? -ENOMEM : 0;

	if (!err && strcmp(path, "-") != 0) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = fd < 0 ? -errno : 0;
	}
	if (!err)
		err = write_full(fd < 0 ? STDOUT_FILENO : fd, text->buf, text->len);
	return err ? refuse_write(err, path, error) : 0;
}

int output_bytes(const struct strbuf *text, const char *path, struct hf_error *error)
{
	int err;

	if (!strcmp(path, "-"))
		return output_append(text, path, error);
	err = text->failed ? -ENOMEM : file_write(path, text->buf, text->len);
	return err ? refuse_write(err, path, error) : 0;
}

#define LOOK_BYTES 256 /* blanks before a JSON text's brace included */

int output_load(const struct config *config, const char *path, struct report **ret,
		struct hf_error *error)
{
	struct replay_options options = {
		.memory_bytes = config->memory_bytes,
		.show_content = config->show_content,
		.tool_version = HF_VERSION,
	};
	_cleanup_(rules_done) struct rules rules = {0};
	const char *place = strcmp(path, "-") ? path : "/dev/stdin";
	_cleanup_close_ int fd = open(place, O_RDONLY | O_CLOEXEC);
	char bytes[LOOK_BYTES];
	size_t size;
	int err;

	/* What can't be read at any place (a pipe) is no recording. */
	if (fd < 0 || pread_full(fd, bytes, sizeof(bytes), 0, &size) ||
	    report_looks_like_json(bytes, size))
		return report_load(place, ret, error);
	err = rules_make(config, &rules, error);
	if (err)
		return err;
	options.components = rules.components;
	return replay_report(fd, &options, ret, error);
}

void output_json_begin(struct output_json *out, const char *schema, const char *list)
{
	strbuf_init(&out->text);
	sink_init_strbuf(&out->sink, &out->text);
	json_out_init(&out->json, &out->sink, 3);
	json_out_begin_object(&out->json, NULL);
	json_out_string(&out->json, "schema", schema);
	json_out_begin_array(&out->json, list);
}

int output_json_end(struct output_json *out, const char *path, struct hf_error *error)
{
	int err;

	json_out_end_array(&out->json);
	json_out_end_object(&out->json);
	sink_putc(&out->sink, '\n');
	sink_finish(&out->sink);
	err = output_bytes(&out->text, path, error);
	strbuf_done(&out->text);
	return err;
}
