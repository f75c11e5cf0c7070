/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "report/export/writers.h"

const struct exporter exporters[] = {
#define X(upper, name, ending) [EXPORT_##upper] = {#name, ending, write_##name},
	EXPORT_FORMATS(X)
#undef X
};

const struct exporter *exporter_by_name(const char *name)
{
	for (size_t i = 0; i < EXPORT_FORMAT_COUNT; i++)
		if (!strcmp(exporters[i].name, name))
			return &exporters[i];
	return NULL;
}

int export_write(enum export_format format, const struct report *report,
		 const struct export_options *options, struct sink *sink)
{
	static const struct export_options defaults;
	int err = exporters[format].write(report, options ? options : &defaults, sink);
	int finished = sink_finish(sink);

	return err ? err : finished;
}

static int fill_json(const void *user, struct sink *sink)
{
	const struct report_source *from = user;

	return write_json(from->report, from->options, sink);
}

int pack_json(const struct report *report, const struct export_options *options,
	      struct strbuf *ret_bytes)
{
	const struct report_source from = {report, options};

	return sink_pack(fill_json, &from, ret_bytes);
}

/* Packs once for all who want the same bytes. */
static int write_packed_json(const struct report *report, const struct export_options *options,
			     struct sink *sink)
{
	int err = options->packed->len ? 0 : pack_json(report, options, options->packed);

	if (err) {
		strbuf_reset(options->packed);
		return err;
	}
	sink_write(sink, options->packed->buf, options->packed->len);
	return sink_finish(sink);
}

static int write_compressed(enum export_format format, const struct report *report,
			    const struct export_options *options, struct sink *sink)
{
	_cleanup_(gzip_sink_freep) struct gzip_sink *gzip = NULL;
	int err = gzip_sink_new(sink, &gzip);

	if (!err)
		err = export_write(format, report, options, gzip_sink_input(gzip));
	if (!err)
		err = gzip_sink_finish(gzip);
	return err ? err : sink_finish(sink);
}

static bool wants_gzip(enum export_format format, const char *path)
{
	size_t len = strlen(path);

	/* pprof's own files are compressed by their writer, whatever they are called */
	return format != EXPORT_PPROF && len > 3 && !strcmp(path + len - 3, ".gz");
}

static int write_to_fd(enum export_format format, const struct report *report,
		       const struct export_options *options, const char *path, int fd)
{
	struct sink sink;

	sink_init_fd(&sink, &fd);
	if (wants_gzip(format, path) && format == EXPORT_JSON && options && options->packed)
		return write_packed_json(report, options, &sink);
	if (wants_gzip(format, path))
		return write_compressed(format, report, options, &sink);
	return export_write(format, report, options, &sink);
}

static int write_to_file(enum export_format format, const struct report *report,
			 const struct export_options *options, const char *path)
{
	_cleanup_(file_writer_abort) struct file_writer writer = FILE_WRITER_INIT;
	int err = file_writer_open(&writer, path);

	if (!err)
		err = write_to_fd(format, report, options, path, writer.fd);
	return err ? err : file_writer_commit(&writer);
}

int export_file(enum export_format format, const struct report *report,
		const struct export_options *options, const char *path, struct hf_error *err)
{
	int result = !strcmp(path, "-") ? write_to_fd(format, report, options, path, STDOUT_FILENO)
					: write_to_file(format, report, options, path);

	if (!result)
		return 0;
	error_set_errno(err, HF_E_CANTWRITE, -result, "cannot write %s", path);
	error_why(err, "%s",
		  result == -ELOOP ? "it is a symbolic link, and these are not followed"
				   : strerror(-result));
	error_fix(err, "name another file with -o or --%s", exporters[format].name);
	return result;
}
