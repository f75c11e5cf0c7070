// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: what is possible here, and the remedy for what is not. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "report/export/json_out.h"
#include "session/doctor.h"

static int write_text(const struct check_vec *checks, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < checks->count; i++) {
		const struct check *c = &checks->items[i];

		strbuf_addf(&out, "%-8s %-12s ", check_state_name(c->state), c->name);
		strbuf_add_printable(&out, c->text.buf, c->text.len);
		strbuf_addch(&out, '\n');
		if (c->fix.len) {
			strbuf_addf(&out, "%22sdo: ", "");
			strbuf_add_printable(&out, c->fix.buf, c->fix.len);
			strbuf_addch(&out, '\n');
		}
	}
	return output_bytes(&out, "-", error);
}

static int write_json(const struct check_vec *checks, const char *path, struct hf_error *error)
{
	struct output_json out;

	output_json_begin(&out, "holdfast.doctor/1", "checks");
	for (size_t i = 0; i < checks->count; i++) {
		const struct check *c = &checks->items[i];

		json_out_begin_object(&out.json, NULL);
		json_out_string(&out.json, "name", c->name);
		json_out_string(&out.json, "state", check_state_name(c->state));
		json_out_string(&out.json, "text", c->text.buf);
		json_out_string(&out.json, "fix", c->fix.buf);
		json_out_end_object(&out.json);
	}
	return output_json_end(&out, path, error);
}

int command_doctor(struct config *config, struct hf_error *error)
{
	_cleanup_(doctor_done) struct check_vec checks = VEC_INIT;
	int err = doctor_examine(config->pids.items, config->pids.count, &checks);
	int result = EXIT_DONE;

	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the checks broke off: %s",
				       strerror(-err));
	if (config->json)
		err = write_json(&checks, config->json, error);
	if (!err && !config->quiet && !(config->json && !strcmp(config->json, "-")))
		err = write_text(&checks, error);
	for (size_t i = 0; i < checks.count; i++) {
		if (checks.items[i].state == CHECK_MISSING)
			result = EXIT_FOUND;
	}
	return err ? err : result;
}
