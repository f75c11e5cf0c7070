// SPDX-License-Identifier: GPL-2.0-or-later
/* When which process's objects of Python are looked at: one at a time, between the looks at heaps. */
#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/session_internal.h"

#define GAP_NS        (3 * NS_PER_S)
#define FAILED_GAP_NS (5 * NS_PER_S)
#define BUSY_GAP_NS   (30 * NS_PER_S)
/* Our own work is at most this share of the time, 1 / n. */
#define WORK_SHARE 20
/* At the end types are not counted again if they were so shortly before. */
#define FRESH_NS (2 * NS_PER_S)

bool pylooks_wanted(const struct session *session)
{
	return session->options.looks && !session->options.recorder &&
	       !session_is_off(session, SESSION_PYTHON_OBJECTS);
}

static bool pylooks_wait(const struct session *session)
{
	return session->looks_wait && !session->options.objects_go_on;
}

static struct pyheap_options options_of(const struct session *session, const struct member *member)
{
	return (struct pyheap_options){
		.pid = member->target->key.pid,
		.runtime = &member->python,
		.holders = true,
		.no_stop = session->options.no_stop,
		.max_stop_ns = session->options.max_stop_ns,
		.memory_bytes = session->options.memory_bytes,
	};
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* For the sake of its stop, and of the CPU that our work takes from others where none is idle. */
static uint64_t gap_ns(const struct session *session, const struct member *member)
{
	const struct pyheap_snapshot *last = member->pylook.newest;
	double percent = looks_stop_percent(session, member);
	double busy = (double)last->work_ns * session->displaced * 100 / percent;
	uint64_t gap = later(GAP_NS, (uint64_t)((double)last->stop_ns * 100 / percent));

	gap = later(gap, last->work_ns * WORK_SHARE);
	if (session->options.looks_percent > 0)
		gap = later(gap, look_work_gap_ns(last->work_ns, session->options.looks_percent));
	return later(gap, busy < BUSY_GAP_NS ? (uint64_t)busy : BUSY_GAP_NS);
}

static void finish(struct session *session, struct member *member)
{
	struct pylook *look = &member->pylook;

	pylook_finish(look);
	if (look->error) {
		log_debug_err(look->error, "Python's objects in process %d were not seen",
			      member->target->key.pid);
		look->next_ns = clock_now_ns() + FAILED_GAP_NS;
		return;
	}
	look->next_ns = look->newest->time_ns + gap_ns(session, member);
	log_debug("%lu objects of Python in pid %d were seen: stopped for %.1f ms, CPU %.1f",
		  (unsigned long)look->newest->objects, member->target->key.pid,
		  (double)look->newest->stop_ns / NS_PER_MS,
		  (double)look->newest->work_ns / NS_PER_MS);
}

static int on_done(void *user, uint32_t events)
{
	struct session *session = user;
	struct member *member = session->pylooked_at;

	(void)events;
	loop_remove(session->loop, heap_worker_fd(member->pylook.worker));
	session->pylooked_at = NULL;
	finish(session, member);
	looks_give_turn(session, member->pylook.error ? 0 : member->pylook.newest->work_ns);
	return 0;
}

static struct member *longest_due(const struct session *session, uint64_t now_ns)
{
	struct member *found = NULL;

	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (!member->ended && member->python.layout && member->pylook.next_ns <= now_ns &&
		    (!found || member->pylook.next_ns < found->pylook.next_ns) &&
		    !looks_too_young(session, member, now_ns))
			found = member;
	}
	return found;
}

void pylooks_tick(struct session *session, uint64_t now_ns)
{
	struct pyheap_options options;
	struct member *member;

	if (!pylooks_wanted(session) || pylooks_wait(session) || session->looked_at ||
	    session->pylooked_at || !governor_allows_look(session->governor))
		return;
	member = longest_due(session, now_ns);
	if (!member || !turn_take(session->options.turn_fd, &session->turn))
		return;
	options = options_of(session, member);
	member->pylook.next_ns = now_ns + FAILED_GAP_NS;
	if (!pylook_start(&member->pylook, &options)) {
		if (!loop_add_fd(session->loop, heap_worker_fd(member->pylook.worker), EPOLLIN,
				 on_done, session)) {
			session->pylooked_at = member;
			return;
		}
		heap_worker_cancel(member->pylook.worker);
		member->pylook.worker = NULL;
	}
	looks_give_turn(session, 0);
}

static void let_go(struct session *session)
{
	loop_remove(session->loop, heap_worker_fd(session->pylooked_at->pylook.worker));
	session->pylooked_at = NULL;
	looks_give_turn(session, 0);
}

void pylooks_stop(struct session *session)
{
	struct member *member = session->pylooked_at;

	if (!member)
		return;
	let_go(session);
	finish(session, member);
}

void pylooks_forget(struct session *session, struct member *member)
{
	if (session->pylooked_at == member)
		let_go(session);
	pylook_done(&member->pylook);
}

void pylooks_end(struct session *session)
{
	pylooks_stop(session);
	if (pylooks_wait(session))
		return;
	for (size_t i = 0; pylooks_wanted(session) && i < session->members.count; i++) {
		struct member *member = session->members.items[i];
		struct pyheap_options options = options_of(session, member);
		const struct pyheap_snapshot *newest = member->pylook.newest;

		if (member->ended || !member->python.layout ||
		    (newest && clock_now_ns() - newest->time_ns < FRESH_NS))
			continue;
		if (!pylook_start(&member->pylook, &options))
			finish(session, member);
	}
}
