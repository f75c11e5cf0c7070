// SPDX-License-Identifier: GPL-2.0-or-later
/* Interpreters of Python in a session's processes: the kernel side is told of them, the names of their frames are kept. Of other
 * languages it is said that their objects are not seen. */
#include <errno.h>

#include "base/log.h"
#include "process/target/language.h"
#include "session/session_internal.h"

#define NOTES_MAX 3 /* of processes: what is more is like them */

struct watch_request {
	struct session *session;
	int pid;
	const struct python_runtime *runtime;
	struct python_name_vec fresh;
};

static void set_watch(struct accounts *accounts, void *user)
{
	struct watch_request *request = user;

	(void)accounts;
	python_watch_set(request->session->python_watch, request->pid, request->runtime);
}

static void take_fresh(struct accounts *accounts, void *user)
{
	struct watch_request *request = user;

	(void)accounts;
	python_watch_take(request->session->python_watch, &request->fresh);
	python_watch_counts(request->session->python_watch, &request->session->python_counts);
}

static void tell(struct session *session, struct member *member)
{
	struct python_runtime *runtime = &member->python;
	struct watch_request request = {session, member->target->key.pid, runtime, VEC_INIT};
	struct hf_python frames = runtime->layout->frames;
	int err = 0;

	frames.interpreters = runtime->address + runtime->layout->runtime_interpreters;
	/* Names first: no frame is to come that nobody reads. */
	if (!session_is_off(session, SESSION_PYTHON_LINES)) {
		ingest_call(session->ingest, set_watch, &request);
		err = probe_set_python(session->probe, request.pid, &frames);
	}
	if (err)
		log_debug_err(err, "frames of Python in process %d are not read", request.pid);
	if (!session_is_off(session, SESSION_COLLECTIONS))
		pauses_start(session, member);
}

void pythons_update(struct session *session, struct member *member)
{
	member->python_looked_for = true;
	if (member->python.address || !session->python_watch ||
	    python_runtime_find(member->target, &member->python))
		return;
	log_debug("pid %d runs CPython %u.%u.%u%s%s", member->target->key.pid,
		  member->python.version_hex >> 24, member->python.version_hex >> 16 & 0xff,
		  member->python.version_hex >> 8 & 0xff, member->python.trouble ? ": " : "",
		  member->python.trouble ? member->python.trouble : "");
	if (member->python.layout)
		tell(session, member);
}

void pythons_forget(struct member *member)
{
	member->python = (struct python_runtime){0};
	member->python_looked_for = false;
}

void pythons_read_collector(const struct member *member, struct sample *ret)
{
	struct python_collector collector;

	ret->gc_pause_ns = member->pauses.total_ns;
	if (python_collector_read(member->target->key.pid, &member->python, &collector))
		return;
	for (size_t i = 0; i < PYTHON_GENERATIONS; i++) {
		ret->gc_collections += collector.generations[i].collections;
		ret->gc_collected += collector.generations[i].collected;
	}
}

void pythons_take(struct session *session)
{
	struct watch_request request = {.session = session, .fresh = VEC_INIT};

	if (!session->python_watch)
		return;
	ingest_call(session->ingest, take_fresh, &request);
	if (python_names_add(session->python_names, &request.fresh))
		log_debug("out of memory for names of Python's frames");
}

static int add_trouble(const struct member *member, struct report_builder *builder)
{
	const struct python_runtime *runtime = &member->python;
	uint32_t version = runtime->version_hex;

	if (!version)
		return report_builder_add_note(
			builder, "process %d runs Python, whose frames are not read: %s",
			member->target->key.pid, runtime->trouble);
	return report_builder_add_note(
		builder, "process %d runs Python %u.%u.%u, whose frames are not read: %s",
		member->target->key.pid, version >> 24, version >> 16 & 0xff, version >> 8 & 0xff,
		runtime->trouble);
}

/* Others have heaps of their own, into which nobody looks here. */
static int add_language(const struct member *member, struct report_builder *builder)
{
	const struct language *language = language_find(member->target);

	return language ? report_builder_add_note(
				  builder,
				  "process %d runs %s: of its objects, which lie in a heap of "
				  "its own, only mappings and page faults are seen; %s",
				  member->target->key.pid, language->name, language->tool)
			: 0;
}

int pythons_add_notes(const struct session *session, struct report_builder *builder)
{
	const struct python_watch_counts *counts = &session->python_counts;
	size_t notes = 0;
	int err = 0;

	for (size_t i = 0; !err && i < session->members.count && notes < NOTES_MAX; i++) {
		const struct member *member = session->members.items[i];

		err = member->python.trouble ? add_trouble(member, builder)
					     : add_language(member, builder);
		if (!err)
			err = javas_add_note(member, builder);
		notes++;
	}
	if (!err && counts->unread)
		err = report_builder_add_note(
			builder, "%lu times a function of Python was gone before its name was read",
			(unsigned long)counts->unread);
	if (!err && counts->refused)
		err = report_builder_add_note(
			builder,
			"%lu functions of Python have no name: the memory for them is full",
			(unsigned long)counts->refused);
	return err;
}
