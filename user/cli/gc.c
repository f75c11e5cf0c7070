// SPDX-License-Identifier: GPL-2.0-or-later
/* gc: force a collection in a process of Python; give free memory back to the system. */
#include <string.h>

#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "session/collection.h"

static void add_change(struct strbuf *out, const char *title, uint64_t before, uint64_t after)
{
	strbuf_addf(out, "%-10s ", title);
	strbuf_add_human_bytes(out, before);
	strbuf_addstr(out, " before, ");
	strbuf_add_human_bytes(out, after);
	strbuf_addstr(out, " after\n");
}

static const char *way_of(const struct collection *c)
{
	return c->result.way == FORCE_PENDING ? "between two instructions of its main thread"
					      : "while a thread of it waited";
}

static void add_collected(struct strbuf *out, const struct collection *c)
{
	if (!c->result.done) {
		strbuf_addstr(out, "collected  not yet: it is done as soon as its main thread runs "
				   "Python again\n");
		return;
	}
	strbuf_addstr(out, "collected  ");
	strbuf_add_grouped(out, c->result.collected);
	strbuf_addstr(out, " objects");
	if (c->result.uncollectable) {
		strbuf_addstr(out, ", could not collect ");
		strbuf_add_grouped(out, c->result.uncollectable);
	}
	strbuf_addf(out, ", in %.1f ms, %s\n", (double)c->result.held_ns / 1e6, way_of(c));
	if (!c->objects_known)
		return;
	strbuf_addstr(out, "objects    ");
	strbuf_add_grouped(out, c->before.objects);
	strbuf_addstr(out, " before, ");
	strbuf_add_grouped(out, c->after.objects);
	strbuf_addstr(out, " after\n");
	add_change(out, "bytes", c->before.bytes, c->after.bytes);
}

static void add_text(struct strbuf *out, const struct collection *c)
{
	strbuf_addf(out, "pid %d ", c->pid);
	strbuf_add_printable(out, c->comm, strlen(c->comm));
	if (*c->version)
		strbuf_addf(out, " (Python %s)", c->version);
	strbuf_addch(out, '\n');
	if (*c->version)
		add_collected(out, c);
	add_change(out, "RSS", c->before.rss_bytes, c->after.rss_bytes);
}

static uint64_t fewer(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

static void put_json(struct json_out *json, const struct collection *c)
{
	json_out_begin_object(json, NULL);
	json_out_int(json, "pid", c->pid);
	json_out_string(json, "comm", c->comm);
	json_out_string(json, "python", c->version);
	json_out_bool(json, "done", c->result.done);
	json_out_string(json, "way", c->result.way == FORCE_PENDING ? "pending" : "at_once");
	json_out_u64(json, "collected_objects", c->result.collected);
	json_out_u64(json, "uncollectable_objects", c->result.uncollectable);
	json_out_bool(json, "objects_known", c->objects_known);
	json_out_u64(json, "objects_freed",
		     c->objects_known ? fewer(c->before.objects, c->after.objects) : 0);
	json_out_u64(json, "objects_before", c->before.objects);
	json_out_u64(json, "objects_after", c->after.objects);
	json_out_u64(json, "bytes_before", c->before.bytes);
	json_out_u64(json, "bytes_after", c->after.bytes);
	json_out_u64(json, "rss_bytes_before", c->before.rss_bytes);
	json_out_u64(json, "rss_bytes_after", c->after.rss_bytes);
	json_out_double(json, "waited_ms", (double)c->result.waited_ns / 1e6);
	json_out_double(json, "held_ms", (double)c->result.held_ns / 1e6);
	json_out_end_object(json);
}

/* The first that fails ends it; what was done before is told. */
static int collect_all(const struct config *config, struct strbuf *text, struct json_out *json,
		       struct hf_error *error)
{
	const struct collection_options options = {
		.trim = config->trim,
		.wait_ns = config->wait_ns,
		.max_stop_ns = config->max_stop_ns,
		.memory_bytes = config->memory_bytes,
	};
	int err = 0;

	for (size_t i = 0; !err && i < config->pids.count; i++) {
		struct collection collection;

		err = collection_run(&options, config->pids.items[i], &collection, error);
		if (err)
			break;
		add_text(text, &collection);
		put_json(json, &collection);
	}
	return err;
}

int command_gc(struct config *config, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	_cleanup_(error_done) struct hf_error unwritten = HF_ERROR_INIT;
	struct output_json json;
	int err, written = 0;

	output_json_begin(&json, "holdfast.gc/1", "processes");
	err = collect_all(config, &text, &json.json, error);
	if (config->json)
		written = output_json_end(&json, config->json, &unwritten);
	else
		strbuf_done(&json.text);
	if (!config->quiet && !(config->json && !strcmp(config->json, "-")) && text.len &&
	    output_bytes(&text, "-", &unwritten))
		written = unwritten.err;
	if (!err && written) {
		error_move(error, &unwritten);
		return written;
	}
	return err ? err : EXIT_DONE;
}
