// SPDX-License-Identifier: GPL-2.0-or-later
/* When which process's heap is looked at: one at a time, the one that waits longest first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "process/proc/machine.h"
#include "process/proc/memory.h"
#include "session/session_internal.h"

/* Of the budget: the rest is for probes. */
#define STOPS_SHARE 0.5
/* Of resident memory: 250 ms for a GiB. */
#define STOP_NS_PER_BYTE 0.23
/* Whoever has run for so long is no short-lived one. */
#define YOUNG_MAX_NS (10 * NS_PER_S)

VEC_STRUCT(known_vec, struct heap_known);

/* Sites whose holder is asked for: those with findings. */
#define QUESTIONS_MAX 24

/* What the ledger knows that a look needs. */
struct known_request {
	int pid;
	bool census;
	bool blocks; /* all of them are asked for */
	const struct look *look;
	const struct ledger *ledger;
	struct known_vec known, mappings;
	struct heap_question questions[QUESTIONS_MAX]; /* about the sites in look->asking */
	uint64_t seen[QUESTIONS_MAX];
};

static int add_known(const struct allocation *block, void *user)
{
	struct known_vec *known = user;

	return vec_push(known, (struct heap_known){block->address, block->size_bytes});
}

/* Stacks of threads are let go by the thread that ends, a break by nobody. */
static int add_mapping(const struct allocation *piece, void *user)
{
	struct known_request *request = user;

	if (ledger_site(request->ledger, piece->site)->class != SITE_MAPPING)
		return 0;
	return vec_push(&request->mappings, (struct heap_known){piece->address, piece->size_bytes});
}

/* Of each site's blocks as many as are looked at, evenly drawn (reservoir sampling). */
static int add_sample(const struct allocation *block, void *user)
{
	struct known_request *request = user;

	for (size_t i = 0; i < request->look->asking.count; i++) {
		struct heap_question *question = &request->questions[i];
		uint64_t at;

		if (request->look->asking.items[i] != block->site)
			continue;
		at = request->seen[i]++;
		if (question->count < HEAP_QUESTION_MAX)
			question->count++;
		else
			at = hash_u64(at, block->address) % request->seen[i];
		if (at < HEAP_QUESTION_MAX)
			question->addresses[at] = block->address;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct heap_known *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void read_known(struct accounts *accounts, void *user)
{
	struct known_request *request = user;
	const struct account *account = accounts_find(accounts, request->pid);

	if (!account)
		return;
	request->ledger = account->ledger;
	/* Not all of them: then what is missing counts as memory that holds pointers. */
	(void)ledger_for_each_mapping(account->ledger, add_mapping, request);
	if (request->blocks)
		(void)ledger_for_each_live(account->ledger, add_known, &request->known);
	if (request->census && request->look->asking.count)
		(void)ledger_for_each_live(account->ledger, add_sample, request);
}

/* Who holds what grows? */
static void ask(const struct session *session, struct member *member)
{
	const struct verdict *verdict = session->verdict;

	vec_clear(&member->look.asking);
	for (size_t i = 0; verdict && i < verdict->finding_count; i++) {
		const struct finding *f = &verdict->findings[i];

		if (f->site && verdict->processes[f->process].pid == member->target->key.pid &&
		    member->look.asking.count < QUESTIONS_MAX &&
		    vec_push(&member->look.asking, f->site) < 0)
			return;
	}
}

/* The budget is that of all processes together; looks at Python's objects have half of what looks at heaps would have. */
double looks_stop_percent(const struct session *session, const struct member *member)
{
	int running = members_running(session);
	double share = STOPS_SHARE / (member->python.layout ? 2 : 1);

	return session->options.budget_percent * share / (running > 1 ? running : 1);
}

static struct look_options options_of(const struct session *session, const struct member *member,
				      bool census)
{
	return (struct look_options){
		.census = census,
		.no_stop = session->options.no_stop,
		.max_stop_ns = session->options.max_stop_ns,
		.memory_bytes = session->options.memory_bytes,
		.stop_percent = looks_stop_percent(session, member),
		.work_percent = session->options.looks_percent,
		.displaced = session->displaced,
	};
}

/* Blocks whose release nobody may see: are they there? */
static void list_watched(struct session *session, struct member *member, struct known_vec *ret)
{
	vec_clear(&member->watched);
	if (!session->governor ||
	    governor_list_watched(session->governor, member, &member->watched))
		return;
	for (size_t i = 0; i < member->watched.count; i++) {
		const struct watched_block *block = &member->watched.items[i];

		if (vec_push(ret, (struct heap_known){block->address, block->size_bytes}))
			return;
	}
}

/*
 * What was traced is all that is known of the blocks of an allocator that is none that is understood. Once calls were seen
 * in windows only, some of these were freed unseen, and would look lost.
 */
static bool is_blind(const struct session *session, const struct member *member)
{
	return member->look.only_traced && governor_saw_some(session->governor);
}

void looks_go_blind(struct session *session)
{
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (!is_blind(session, member) || member->look.error == -ENOTSUP)
			continue;
		looks_forget(session, member);
		member->look.looks = 0;
		member->look.error = -ENOTSUP;
		member->look.next_ns = UINT64_MAX;
	}
}

static void begin_idle(struct session *session)
{
	session->unlooked_ns = machine_idle_ns(&session->unlooked_idle_ns) ? 0 : clock_now_ns();
}

/* While nobody looked, was there a CPU idle, on which a look harms nobody? */
static void read_idle(struct session *session)
{
	uint64_t now_ns = clock_now_ns(), idle_ns = 0;
	double idle;

	if (!session->unlooked_ns || machine_idle_ns(&idle_ns) ||
	    idle_ns < session->unlooked_idle_ns || now_ns <= session->unlooked_ns)
		return;
	idle = (double)(idle_ns - session->unlooked_idle_ns) /
	       (double)(now_ns - session->unlooked_ns);
	session->displaced = idle > 1 ? 0 : 1 - idle;
}

/* Where the allocator is none that is understood, what was traced is all that is known of its blocks. */
static int start(struct session *session, struct member *member, bool census)
{
	struct look_options options = options_of(session, member, census);
	struct known_request request = {
		.pid = member->target->key.pid,
		.census = census,
		.blocks = member->look.only_traced,
		.look = &member->look,
	};
	struct known_vec watched = VEC_INIT;
	int err;

	looks_go_blind(session);
	if (is_blind(session, member))
		return -ENOTSUP;
	read_idle(session);
	if (census)
		ask(session, member);
	ingest_call(session->ingest, read_known, &request);
	if (request.known.count)
		qsort(request.known.items, request.known.count, sizeof(*request.known.items),
		      by_address);
	options.known = request.known.items;
	options.known_count = request.known.count;
	options.mappings = request.mappings.items;
	options.mapping_count = request.mappings.count;
	options.questions = request.questions;
	options.question_count = census ? member->look.asking.count : 0;
	list_watched(session, member, &watched);
	options.watched = watched.items;
	options.watched_count = watched.count;
	err = look_start(&member->look, &options, request.pid, clock_now_ns());
	vec_done(&request.known);
	vec_done(&request.mappings);
	vec_done(&watched);
	return err;
}

void looks_give_turn(struct session *session, uint64_t work_ns)
{
	double percent = session->options.looks_percent;

	turn_give(session->options.turn_fd, &session->turn,
		  percent > 0 ? look_work_gap_ns(work_ns * TURNS_AT_ONCE, percent) : 0);
}

static void finish(struct session *session, struct member *member)
{
	struct look_options options = options_of(session, member, false);

	look_finish(&member->look, &options, clock_now_ns());
	if (!member->look.error && session->governor && member->look.last)
		governor_take_look(session->governor, member, &member->watched, member->look.last);
	if (member->look.error)
		log_debug_err(member->look.error, "the heap of pid %d was not seen",
			      member->target->key.pid);
	else if (member->look.last)
		log_debug("the heap of pid %d was seen: %.1f ms, stopped for %.1f, CPU %.1f",
			  member->target->key.pid, (double)member->look.last->total_ns / 1e6,
			  (double)member->look.last->stop_ns / 1e6,
			  (double)member->look.last->work_ns / 1e6);
}

static int on_look_done(void *user, uint32_t events)
{
	struct session *session = user;
	struct member *member = session->looked_at;

	(void)events;
	loop_remove(session->loop, look_fd(&member->look));
	session->looked_at = NULL;
	begin_idle(session);
	finish(session, member);
	looks_give_turn(session, member->look.last ? member->look.last->work_ns : 0);
	return 0;
}

/*
 * A process that began before our eyes may be over soon (a compiler's): a stop has to fit into the share of the time that it
 * has run by now.
 */
bool looks_too_young(const struct session *session, const struct member *member, uint64_t now_ns)
{
	uint64_t since_ns = member_since_ns(member);
	struct process_memory memory;
	double age;

	if (now_ns - since_ns > YOUNG_MAX_NS ||
	    process_memory_read(member->target->key.pid, false, &memory))
		return false;
	age = (double)memory.rss_bytes * STOP_NS_PER_BYTE * 100 /
	      (session->options.budget_percent * STOPS_SHARE);
	return (double)(now_ns - since_ns) < age;
}

static struct member *longest_due(const struct session *session, uint64_t now_ns)
{
	struct member *found = NULL;

	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (!member->ended && look_due(&member->look, now_ns) &&
		    (!found || member->look.next_ns < found->look.next_ns) &&
		    !looks_too_young(session, member, now_ns))
			found = member;
	}
	return found;
}

/* Of a large heap: are the types counted last older than that? */
static bool wants_census(const struct look *look, uint64_t now_ns, uint64_t age_ns)
{
	return look_is_slow(look) && (!look->census || now_ns - look->census->time_ns > age_ns);
}

void looks_tick(struct session *session, uint64_t now_ns)
{
	struct member *member;

	if (!session_looks(session) || session->looked_at || session->pylooked_at ||
	    !governor_allows_look(session->governor))
		return;
	member = longest_due(session, now_ns);
	if (!member || !turn_take(session->options.turn_fd, &session->turn))
		return;
	if (!start(session, member, wants_census(&member->look, now_ns, LOOK_CENSUS_NS))) {
		if (!loop_add_fd(session->loop, look_fd(&member->look), EPOLLIN, on_look_done,
				 session)) {
			session->looked_at = member;
			return;
		}
		look_forget(&member->look);
	}
	looks_give_turn(session, 0);
}

/* Nobody is told any more when the look that is under way is done: it is waited for, or given up. */
static void let_go(struct session *session)
{
	loop_remove(session->loop, look_fd(&session->looked_at->look));
	session->looked_at = NULL;
	looks_give_turn(session, 0);
}

void looks_stop(struct session *session)
{
	struct member *member = session->looked_at;

	if (!member)
		return;
	let_go(session);
	finish(session, member);
}

/* What is under way will not be waited for. */
static void looks_cancel(struct session *session)
{
	struct member *member = session->looked_at;

	let_go(session);
	look_cancel(&member->look);
}

void looks_forget(struct session *session, struct member *member)
{
	if (session->looked_at == member)
		let_go(session);
	look_forget(&member->look);
}

/* A large heap whose types were counted a while ago: that is told, and nobody waits for another look. */
static bool is_seen(const struct member *member)
{
	return look_is_slow(&member->look) && member->look.census &&
	       !wants_census(&member->look, clock_now_ns(), 2 * LOOK_CENSUS_NS);
}

/* The last look also counts what there is, by type. */
void looks_end(struct session *session)
{
	if (!session_looks(session)) {
		looks_stop(session);
		return;
	}
	if (session->looked_at && is_seen(session->looked_at))
		looks_cancel(session);
	looks_stop(session);
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (member->ended || !look_due(&member->look, UINT64_MAX) || is_seen(member))
			continue;
		if (!start(session, member, true))
			finish(session, member);
	}
}
