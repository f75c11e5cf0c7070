// SPDX-License-Identifier: GPL-2.0-or-later
/* ps: processes by memory and growth, from /proc alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/units.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "process/proc/memory.h"
#include "process/proc/process.h"
#include "report/export/json_out.h"

/* One process at two times. */
struct row {
	struct process_stat stat;
	uint64_t before_bytes; /* RSS at the first look; UINT64_MAX: it was not there yet */
	double growth_bytes_per_second;
	char *cmdline;
};

VEC_STRUCT(row_vec, struct row);

static void rows_done(struct row_vec *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->items[i].cmdline);
	vec_done(rows);
}

static int read_rows(struct row_vec *ret)
{
	_cleanup_free_ int *pids = NULL;
	struct row row = {.before_bytes = UINT64_MAX};
	size_t count;
	int err = process_list(&pids, &count);

	for (size_t i = 0; !err && i < count; i++) {
		if (process_stat_read(pids[i], &row.stat) || row.stat.kernel_thread)
			continue; /* gone meanwhile, or nothing of its own */
		err = vec_push(ret, row);
	}
	return err;
}

/* pid + start time: a pid may have a new owner at the second look. */
static void match(const struct row_vec *before, double seconds, struct row_vec *now)
{
	for (size_t i = 0, j = 0; i < now->count; i++) {
		struct row *row = &now->items[i];

		while (j < before->count && before->items[j].stat.key.pid < row->stat.key.pid)
			j++;
		if (j == before->count || before->items[j].stat.key.pid != row->stat.key.pid ||
		    before->items[j].stat.key.start_ticks != row->stat.key.start_ticks)
			continue;
		row->before_bytes = before->items[j].stat.rss_bytes;
		row->growth_bytes_per_second =
			((double)row->stat.rss_bytes - (double)row->before_bytes) / seconds;
	}
}

static int largest_first(const void *a, const void *b)
{
	uint64_t x = ((const struct row *)a)->stat.rss_bytes;
	uint64_t y = ((const struct row *)b)->stat.rss_bytes;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void read_cmdlines(struct row_vec *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		char *text;

		if (!process_cmdline(rows->items[i].stat.key.pid, &text))
			rows->items[i].cmdline = text;
	}
}

static void add_row(const struct row *row, uint32_t width, struct strbuf *out)
{
	_cleanup_(strbuf_done) struct strbuf rss = STRBUF_INIT, growth = STRBUF_INIT,
					     text = STRBUF_INIT;
	const char *command = row->cmdline && row->cmdline[0] ? row->cmdline : row->stat.comm;

	strbuf_add_human_bytes(&rss, row->stat.rss_bytes);
	if (row->growth_bytes_per_second != 0)
		units_add_rate(&growth, row->growth_bytes_per_second);
	else
		strbuf_addstr(&growth, "-");
	strbuf_add_printable(&text, command, strlen(command));
	strbuf_addf(out, "%8d %10s %16s %7lu  ", row->stat.key.pid, rss.buf, growth.buf,
		    (unsigned long)row->stat.thread_count);
	if (text.len > width - 46)
		strbuf_truncate(&text, width - 46);
	strbuf_addf(out, "%s\n", text.buf);
}

static int write_text(const struct config *config, const struct row_vec *rows,
		      struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct export_options options;

	output_options(config, &options);
	strbuf_addf(&out, "%8s %10s %16s %7s  %s\n", "PID", "RSS", "GROWTH", "THREADS", "COMMAND");
	for (size_t i = 0; i < rows->count; i++)
		add_row(&rows->items[i], options.width, &out);
	return output_bytes(&out, "-", error);
}

static void json_row(struct json_out *json, const struct config *config, const struct row *row)
{
	json_out_begin_object(json, NULL);
	json_out_int(json, "pid", row->stat.key.pid);
	json_out_string(json, "comm", row->stat.comm);
	json_out_string(json, "cmdline", config->show_content && row->cmdline ? row->cmdline : "");
	json_out_u64(json, "rss_bytes", row->stat.rss_bytes);
	json_out_u64(json, "vms_bytes", row->stat.vms_bytes);
	json_out_u64(json, "threads", row->stat.thread_count);
	json_out_double(json, "growth_bytes_per_second", row->growth_bytes_per_second);
	json_out_end_object(json);
}

static int write_json(const struct config *config, const struct row_vec *rows,
		      struct hf_error *error)
{
	struct output_json out;

	output_json_begin(&out, "holdfast.ps/1", "processes");
	for (size_t i = 0; i < rows->count; i++)
		json_row(&out.json, config, &rows->items[i]);
	return output_json_end(&out, config->json, error);
}

int command_ps(struct config *config, struct hf_error *error)
{
	_cleanup_(rows_done) struct row_vec before = VEC_INIT, now = VEC_INIT;
	struct timespec pause = {config->interval_ns / 1000000000,
				 config->interval_ns % 1000000000};
	int err = read_rows(&before);

	if (!err) {
		nanosleep(&pause, NULL);
		err = read_rows(&now);
	}
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "/proc can't be read: %s",
				       strerror(-err));
	match(&before, (double)config->interval_ns / 1e9, &now);
	if (now.count)
		qsort(now.items, now.count, sizeof(*now.items), largest_first);
	read_cmdlines(&now);
	if (config->json)
		err = write_json(config, &now, error);
	if (!err && !config->quiet && !(config->json && !strcmp(config->json, "-")))
		err = write_text(config, &now, error);
	return err ? err : EXIT_DONE;
}
