// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/scan.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "session/session_internal.h"

/* What a look misses is confirmed by one so much later. */
#define CONFIRM_NS  NS_PER_S
#define GAUGE_SLOTS 16
/* On a machine with more to do than it can, a stop now and then takes too long. */
#define TRIES    4
#define RETRY_NS (250 * NS_PER_MS)

static int new_session(const struct scan_options *options, struct session **ret)
{
	_cleanup_(session_freep) struct session *session = calloc(1, sizeof(*session));
	struct accounts_options accounts = {.memory_bytes = options->memory_bytes};
	int err;

	if (!session)
		return -ENOMEM;
	session->timer_fd = session->signal_fd = -1;
	session->scan_only = true;
	session->options = (struct session_options){
		.memory_bytes = options->memory_bytes,
		.show_content = options->show_content,
		.no_stop = options->no_stop,
		.max_stop_ns = options->max_stop_ns,
		.budget_percent = 100,
		.tool_version = options->tool_version,
	};
	err = module_set_new(&session->modules);
	if (!err)
		err = accounts_new(&accounts, &session->accounts);
	if (err)
		return err;
	session->started_ns = clock_now_ns();
	session->started_wall_ns = clock_wall_ns();
	*ret = no_free_ptr(session);
	return 0;
}

static void read_memory(struct session *session, bool full)
{
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];
		struct sample sample;

		if (!gauge_read(member->target->key.pid, clock_now_ns(), full, &sample))
			gauge_add(member->gauge, &sample);
	}
}

static int add_process(struct session *session, int pid, bool growth, struct hf_error *error)
{
	_cleanup_(error_done) struct hf_error unused = HF_ERROR_INIT;
	static const struct allocator_search search = {.names_only = true};
	struct member *member = calloc(1, sizeof(*member));
	int err;

	if (!member)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	look_init(&member->look);
	pylook_init(&member->pylook);
	member->look.keep_first = growth;
	err = target_new(session->modules, pid, clock_now_ns(), &member->target, error);
	if (!err && gauge_new(GAUGE_SLOTS, &member->gauge))
		err = error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	/* Named if it can be; a look does not need it. */
	if (!err)
		(void)allocator_set_find(member->target, &search, &member->allocators, &unused);
	if (!err)
		(void)python_runtime_find(member->target, &member->python);
	if (!err && (accounts_add(session->accounts, pid, member->target->parent_pid,
				  session->started_ns) ||
		     vec_push(&session->members, member)))
		err = error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (err)
		member_free(member);
	return err;
}

/* One that is dead is still there until its parent asks for it, but has no memory any more. */
static bool is_dead(int pid)
{
	struct process_stat stat;

	return process_stat_read(pid, &stat) || stat.state == 'Z' || stat.state == 'X' ||
	       !stat.vms_bytes;
}

static int refuse(int err, int pid, uint64_t memory_bytes, struct hf_error *error)
{
	switch (is_dead(pid) ? -ESRCH : err) {
	case -ESRCH:
		error_set(error, HF_E_NOPID, "process %d ended before its heap was seen", pid);
		return error_fix(error, "list processes with `holdfast ps`");
	case -ENOENT:
		error_set(error, HF_E_NOMALLOC,
			  "process %d: its allocator's blocks can't be listed", pid);
		error_why(error,
			  "none of the allocators that are understood from outside was found "
			  "in its memory");
		return error_fix(error, "trace it instead: `holdfast hunt %d`", pid);
	case -EPERM:
		error_set(error, HF_E_PERM, "process %d can't be stopped", pid);
		error_why(error, "it is traced by another program already, or not ours to trace");
		return error_fix(
			error,
			"end the other tracer (TracerPid in /proc/%d/status), run as root, or "
			"look without a stop: --no-stop",
			pid);
	case -ECANCELED:
	case -ETIMEDOUT:
		error_set(error, HF_E_DETACHED, "process %d: the look was given up to protect it",
			  pid);
		error_why(error, "a thread could not be stopped, or the stop took too long");
		return error_fix(error, "try again, allow more with --max-stop, or use --no-stop");
	case -EAGAIN:
		error_set(error, HF_E_DETACHED, "process %d: its allocator never stood still", pid);
		error_why(error,
			  "whenever it was looked at, a thread was in the middle of malloc or "
			  "free (was it stopped there?)");
		return error_fix(error, "try again, or trace it: `holdfast hunt %d`", pid);
	case -ENOSPC:
		error_set(error, HF_E_UNSUPPORTED, "process %d holds more pointers than fit", pid);
		error_why(error, "each takes 8 bytes, and half of --memory (%.0f MiB) is for them",
			  (double)memory_bytes / (1 << 20));
		return error_fix(error, "allow more: --memory %.0fMiB",
				 2 * (double)memory_bytes / (1 << 20));
	default:
		return error_set_errno(error, HF_E_INTERNAL, -err,
				       "process %d: its heap could not be looked at: %s", pid,
				       strerror(-err));
	}
}

static void pause_until(uint64_t ns)
{
	uint64_t now_ns = clock_now_ns();
	struct timespec t = {(time_t)((ns - now_ns) / NS_PER_S), (long)((ns - now_ns) % NS_PER_S)};

	if (ns > now_ns)
		(void)nanosleep(&t, NULL);
}

static int look_at(struct member *member, const struct look_options *options)
{
	int err;

	for (int tries = 0;; tries++) {
		err = look_start(&member->look, options, member->target->key.pid, clock_now_ns());
		if (!err) {
			look_finish(&member->look, options, clock_now_ns());
			err = member->look.error;
		}
		if ((err != -ETIMEDOUT && err != -ECANCELED && err != -EAGAIN) ||
		    tries + 1 == TRIES)
			break;
		pause_until(clock_now_ns() + RETRY_NS);
	}
	return err ? err : look_join(&member->look, NULL);
}

/* Without objects of Python there is a report all the same, which says why. */
static void look_at_python(const struct session *session, struct member *member)
{
	const struct pyheap_options options = {
		.pid = member->target->key.pid,
		.runtime = &member->python,
		.holders = true,
		.no_stop = session->options.no_stop,
		.max_stop_ns = session->options.max_stop_ns,
		.memory_bytes = session->options.memory_bytes,
	};

	if (member->python.layout && !pylook_start(&member->pylook, &options))
		pylook_finish(&member->pylook);
}

/* One look at each, one after the other. */
static int look_at_all(struct session *session, bool census, struct hf_error *error)
{
	struct look_options options = {
		.census = census,
		.no_stop = session->options.no_stop,
		.max_stop_ns = session->options.max_stop_ns,
		.memory_bytes = session->options.memory_bytes,
		.stop_percent = 100,
	};

	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];
		int err = look_at(member, &options);

		/* What is dying has no maps any more, and looks like something else. */
		if (err && process_key_check(member->target->key))
			err = -ESRCH;
		if (err)
			return refuse(err, member->target->key.pid, session->options.memory_bytes,
				      error);
		if (census)
			look_at_python(session, member);
	}
	return 0;
}

/* A leak is called one after losses in so many looks: the time is cut into as many parts, if it is long enough. */
static unsigned int parts_of(const struct scan_options *options)
{
	uint64_t most = options->gap_ns / CONFIRM_NS;

	if (!options->growth || !most)
		return options->growth;
	return most < VERDICT_LEAK_LOOKS ? (unsigned int)most : VERDICT_LEAK_LOOKS;
}

/* Two looks and more are worth telling of, although the next one failed. */
static int keep_what_was_seen(struct session *session, struct hf_error *error)
{
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (process_key_check(member->target->key)) {
			member->ended = true;
			member->target->ended_wall_ns = clock_wall_ns();
		}
	}
	session->scan_broke_off = strdup(error->what.buf);
	error_done(error);
	return session->scan_broke_off ? 0 : -ENOMEM;
}

/* One at the beginning, one at the end of each part, and one that confirms what the last of these missed. */
static int look_again_and_again(const struct scan_options *options, struct session *session,
				struct hf_error *error)
{
	unsigned int parts = parts_of(options), looks = parts + 2;
	uint64_t began_ns = clock_now_ns();

	for (unsigned int i = 0; i < looks; i++) {
		int err;

		read_memory(session, i == 0);
		err = look_at_all(session, options->growth || i + 1 == looks, error);
		if (err && i > 1)
			return keep_what_was_seen(session, error);
		if (err)
			return err;
		if (options->looked && options->looked(options->user, i + 1, looks))
			break;
		if (i + 2 == looks)
			pause_until(clock_now_ns() + (parts ? CONFIRM_NS : options->gap_ns));
		else if (i + 1 < looks)
			pause_until(began_ns + (i + 1) * options->gap_ns / parts);
	}
	read_memory(session, true);
	return 0;
}

/* Could anything have been proved lost, in each of them? */
static bool is_proof(const struct session *session)
{
	for (size_t i = 0; i < session->members.count; i++)
		if (!look_is_proof(&session->members.items[i]->look))
			return false;
	return true;
}

int scan_report(const struct scan_options *options, const int *pids, size_t count,
		struct report **ret, struct hf_error *error)
{
	_cleanup_(session_freep) struct session *session = NULL;
	struct judge_request request = {0};
	int err = new_session(options, &session);

	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "can't start: %s",
				       strerror(-err));
	for (size_t i = 0; !err && i < count; i++)
		err = add_process(session, pids[i], options->growth, error);
	if (!err)
		err = look_again_and_again(options, session, error);
	if (err)
		return err;
	request.session = session;
	request.now_ns = session->stopped_ns = clock_now_ns();
	session->detached = true;
	judge(session->accounts, &request);
	session->verdict = request.verdict;
	if (session->verdict && session->verdict->state < VERDICT_WATCHING && !is_proof(session))
		session->verdict->state = VERDICT_WATCHING;
	return session_report(session, ret, error);
}
