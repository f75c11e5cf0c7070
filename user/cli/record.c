// SPDX-License-Identifier: GPL-2.0-or-later
/* record: keep the events themselves, to be reported later or elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "session/recording.h"

struct record {
	const struct config *config;
	struct recording *recording;
	bool progress;
};

static void show_progress(const struct record *record, const struct session_view *view)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	output_add_progress(&line, record->config, view->elapsed_ns);
	strbuf_addf(&line, "  %lu events  ", (unsigned long)view->events);
	strbuf_add_human_bytes(&line, recording_bytes(record->recording));
	strbuf_addstr(&line, " written");
	if (view->lost_events)
		strbuf_addf(&line, "  LOST %lu", (unsigned long)view->lost_events);
	fputs(line.buf, stderr);
	fflush(stderr);
}

static bool on_tick(void *user, struct session *session, const struct session_view *view)
{
	const struct record *record = user;

	recording_tick(record->recording, session);
	if (record->progress)
		show_progress(record, view);
	return false;
}

static int refuse_file(int err, const char *path, struct hf_error *error)
{
	error_set_errno(error, HF_E_CANTWRITE, -err, "%s can't be written", path);
	return error_why(error, "%s",
			 err == -ELOOP    ? "it is a symbolic link, and these are not followed"
			 : err == -EEXIST ? "it is not a regular file"
					  : strerror(-err));
}

static int watch(struct record *record, struct session *session, const char *path,
		 struct hf_error *error)
{
	enum session_end end;
	int err = recording_begin(record->recording, session, path);

	if (err)
		return refuse_file(err, path, error);
	err = session_run(session, record->config->for_ns, on_tick, record, &end);
	if (record->progress)
		fputs("\r\033[K", stderr);
	session_detach(session);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the watch broke off: %s",
				       strerror(-err));
	err = recording_finish(record->recording, session);
	return err ? refuse_file(err, path, error) : session_end_error(session, end, error);
}

static void tell(const struct record *record, const char *path)
{
	_cleanup_(strbuf_done) struct strbuf size = STRBUF_INIT;

	if (record->config->quiet)
		return;
	strbuf_add_human_bytes(&size, recording_bytes(record->recording));
	printf("%s (%s); see it with: holdfast report %s\n", path, size.buf, path);
}

int command_record(struct config *config, struct hf_error *error)
{
	_cleanup_(setup_done) struct setup setup = {0};
	/* Freed in this order from below: the session still calls the recording. */
	_cleanup_(recording_freep) struct recording *recording = NULL;
	_cleanup_(session_freep) struct session *session = NULL;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct record record = {.config = config, .progress = output_shows_progress(config)};
	int err = recording_new(&recording);

	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	record.recording = recording;
	err = setup_session(config, recording_handler(recording), &setup, &session, error);
	if (err)
		return err;
	if (output_prefix(config, session_comm(session), session_pid(session), &path) ||
	    strbuf_addstr(&path, ".hfrec"))
		err = error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (!err)
		err = watch(&record, session, path.buf, error);
	setup_end_command(config, &setup);
	if (err)
		return err;
	tell(&record, path.buf);
	return EXIT_DONE;
}
