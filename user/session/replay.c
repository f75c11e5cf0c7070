// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "capture/feed/record_reader.h"
#include "session/code_block.h"
#include "session/record_sample.h"
#include "session/replay_meta.h"

struct replay {
	struct session *session;
	uint64_t last_ns; /* the newest time seen: ends what has no end */
};

/* What was seen of its heap before an exec holds no more. */
static void forget_looks(struct session *session, uint32_t pid)
{
	for (size_t i = session->members.count; i--;) {
		if (session->members.items[i]->target->key.pid == (int)pid) {
			look_forget(&session->members.items[i]->look);
			return;
		}
	}
}

static int on_event(void *user, const struct hf_event *event)
{
	struct replay *replay = user;

	if (event->time_ns > replay->last_ns && event->time_ns <= INT64_MAX)
		replay->last_ns = event->time_ns;
	if (event->kind == HF_EVENT_EXEC)
		forget_looks(replay->session, event->pid);
	return accounts_event(replay->session->accounts, event);
}

static int take_sample(struct replay *replay, const struct hf_record_sample *recorded)
{
	struct sample sample = record_sample_to(recorded);
	struct member *member;
	size_t count;
	int err = replay_member(replay->session, recorded->process, recorded->pid, &member);

	if (err)
		return err;
	count = gauge_count(member->gauge);
	if (sample.time_ns > INT64_MAX ||
	    (count && gauge_at(member->gauge, count - 1)->time_ns >= sample.time_ns))
		return -EILSEQ;
	if (sample.time_ns > replay->last_ns)
		replay->last_ns = sample.time_ns;
	return gauge_add(member->gauge, &sample);
}

static int take_samples(struct replay *replay, const void *bytes, size_t size)
{
	const struct hf_record_samples *head = bytes;
	const struct hf_record_sample *samples = (const struct hf_record_sample *)(head + 1);
	int err = 0;

	if (size < sizeof(*head) || head->time_ns > INT64_MAX ||
	    (size - sizeof(*head)) / sizeof(*samples) != head->count ||
	    (size - sizeof(*head)) % sizeof(*samples))
		return -EILSEQ;
	for (uint32_t i = 0; !err && i < head->count; i++)
		err = take_sample(replay, &samples[i]);
	if (!err && head->flags & HF_RECORD_WINDOW_ENDS)
		judge_sample(replay->session->accounts, replay->session, head->time_ns);
	return err;
}

static int take_maps(struct replay *replay, const void *bytes, size_t size)
{
	const struct hf_record_maps *head = bytes;
	struct account *account;
	struct maps maps;

	if (size < sizeof(*head) ||
	    maps_parse((const char *)(head + 1), size - sizeof(*head), &maps))
		return -EILSEQ;
	account = accounts_find(replay->session->accounts, (int)head->pid);
	if (account) {
		struct maps before = account->maps;

		account->maps = maps;
		maps = before;
	}
	maps_done(&maps);
	return 0;
}

static int take_look(struct replay *replay, const void *bytes, size_t size)
{
	uint64_t time_ns;
	int err = look_block_take(replay->session, bytes, size, &time_ns);

	if (!err && time_ns > replay->last_ns)
		replay->last_ns = time_ns;
	return err;
}

static int on_block(void *user, uint32_t kind, const void *bytes, size_t size)
{
	struct replay *replay = user;

	/* Nothing is understood before it was told whose events these are. */
	if (!replay->session->members.count && kind != HF_RECORD_META)
		return -EILSEQ;
	switch (kind) {
	case HF_RECORD_META:
		return replay_take_meta(replay->session, bytes, size);
	case HF_RECORD_SAMPLES:
		return take_samples(replay, bytes, size);
	case HF_RECORD_MAPS:
		return take_maps(replay, bytes, size);
	case HF_RECORD_CODE:
		return code_block_take(replay->session, bytes, size);
	case HF_RECORD_LOOK:
		return take_look(replay, bytes, size);
	case HF_RECORD_NAMES:
		return name_table_take(replay->session->replayed->names, bytes, size);
	default:
		return 0;
	}
}

static int new_session(const struct replay_options *options, struct session **ret)
{
	_cleanup_(session_freep) struct session *session = calloc(1, sizeof(*session));
	/* Followed is what was followed: forks of others are not in the recording. */
	struct accounts_options accounts = {.memory_bytes = options->memory_bytes, .follow = true};
	int err;

	if (!session)
		return -ENOMEM;
	session->timer_fd = session->signal_fd = -1;
	session->options.memory_bytes = options->memory_bytes;
	session->options.show_content = options->show_content;
	session->options.tool_version = options->tool_version;
	session->options.components = options->components;
	session->replayed = calloc(1, sizeof(*session->replayed));
	if (!session->replayed)
		return -ENOMEM;
	strmap_init(&session->replayed->modules, hash_seed_random());
	arena_init(&session->replayed->arena, options->memory_bytes / 4);
	session->replayed->way = session->replayed->missing = "";
	err = name_table_new(options->memory_bytes, &session->replayed->names);
	if (!err)
		err = accounts_new(&accounts, &session->accounts);
	if (err)
		return err;
	*ret = no_free_ptr(session);
	return 0;
}

static int note_damage(struct session *session, const struct record_result *result)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct replayed *replayed = session->replayed;

	if (result->end == RECORD_WHOLE)
		return 0;
	strbuf_addf(&text, "the recording is %s after %lu bytes: what came later is not in here",
		    result->end == RECORD_CUT_OFF ? "cut off" : "damaged",
		    (unsigned long)result->read_bytes);
	replayed->damage = arena_strndup(&replayed->arena, text.buf, text.len);
	return replayed->damage ? 0 : -ENOMEM;
}

/* As session_detach() leaves a live one. */
static void end_session(struct replay *replay)
{
	struct session *session = replay->session;
	struct judge_request request = {.session = session};
	struct accounts_counts counts;

	if (session->stopped_ns < replay->last_ns && session->replayed->damage)
		session->stopped_ns = replay->last_ns;
	if (session->stopped_ns < session->started_ns)
		session->stopped_ns = session->started_ns;
	request.now_ns = session->stopped_ns > replay->last_ns ? session->stopped_ns
							       : replay->last_ns;
	judge(session->accounts, &request);
	session->verdict = request.verdict;
	session->last_allocs = request.allocs;
	session->last_frees = request.frees;
	accounts_get_counts(session->accounts, &counts);
	session->loss = counts.loss;
	session->detached = true;
}

static int refuse(int err, struct hf_error *error)
{
	if (err == -EBADMSG || err == -ENOTSUP) {
		error_set(error, HF_E_BADFILE, "not a recording that can be read");
		return error_why(error, "%s",
				 err == -EBADMSG ? "it holds no process's events"
						 : "it was made by another version of holdfast");
	}
	return error_set_errno(error, HF_E_INTERNAL, -err, "the recording can't be replayed: %s",
			       strerror(-err));
}

int replay_report(int fd, const struct replay_options *options, struct report **ret,
		  struct hf_error *error)
{
	_cleanup_(session_freep) struct session *session = NULL;
	struct replay replay = {0};
	struct record_handler handler = {{on_event, &replay}, on_block, &replay};
	struct record_result result;
	int err = new_session(options, &session);

	replay.session = session;
	if (!err)
		err = record_read(fd, &handler, &result);
	if (!err && !session->members.count)
		err = -EBADMSG;
	if (!err)
		err = note_damage(session, &result);
	if (err)
		return refuse(err, error);
	end_session(&replay);
	return session_report(session, ret, error);
}
