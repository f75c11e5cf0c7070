// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/births.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "account/heap/memory_stream.h"
#include "account/pyheap/pyheap.h"
#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/births.h"
#include "session/session_internal.h"
#include "session/window_thread.h"

#define WATCHED_MAX   8192
#define TYPES_MAX     16 /* of a process, that grow most */
#define GAP_NS        NS_PER_S
#define HOLD_FIRST_NS (50 * NS_PER_MS)
#define HOLD_MIN_NS   NS_PER_MS
#define HOLD_MAX_NS   (200 * NS_PER_MS)
/* Of calls in a window: with fewer it may be longer, with more shorter. */
#define HITS_FEW  200
#define HITS_MANY 5000
/* Of the budget. What a call costs while its function is probed: a trap at the entry, and one more where it returns. */
#define SHARE  0.2
#define HIT_NS 3000
/* At most: most calls make objects of other types, and are let go at their entry. */
#define TRAPS_OF_HIT 2
/* To put the probes in and out stops the process's threads for moments. */
#define WINDOW_NS (300 * NS_PER_US)
/* Whoever stays so long was not made for a moment. */
#define STAYS_NS       NS_PER_S
#define MOST_BYTES     (16u << 20) /* of events in a window, whosever */
#define REFERENCES_MAX (1ULL << 40)

struct watched {
	uint64_t address, type, born_ns;
	int pid;
	stack_id stack;
};

/* How many were seen, by process and type. */
struct seen {
	int pid;
	uint64_t type, count;
};

struct births {
	struct session *session;
	struct window_thread *thread;
	struct probe_window *window; /* open, or on its way; NULL: none */
	VEC(struct watched) watched;
	VEC(struct seen) seen;
	uint64_t next_ns, hold_ns, hits_before;
	struct birth_vec fresh;
};

/* What makes an object of a type: its first argument is the type. */
static const char *const makers[] = {"PyType_GenericAlloc", "_PyObject_GC_New",
				     "_PyObject_GC_NewVar"};
#define MAKERS (sizeof(makers) / sizeof(*makers))

static int on_closed(void *user, uint32_t events);

int births_new(struct session *session, struct births **ret)
{
	_cleanup_(births_freep) struct births *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->session = session;
	b->hold_ns = HOLD_FIRST_NS;
	if (probe_way(session->probe) == PROBE_WAY_PERF)
		return -ENOTSUP;
	err = window_thread_new(&b->thread);
	if (!err)
		err = loop_add_fd(session->loop, window_thread_closed_fd(b->thread), EPOLLIN,
				  on_closed, b);
	if (err)
		return err;
	*ret = no_free_ptr(b);
	return 0;
}

void births_free(struct births *b)
{
	if (!b)
		return;
	window_thread_free(b->thread);
	probe_window_free(b->window);
	vec_done(&b->watched);
	vec_done(&b->seen);
	vec_done(&b->fresh);
	free(b);
}

struct take_request {
	struct births *births;
	int pid;
};

static void take_fresh(struct accounts *accounts, void *user)
{
	struct take_request *request = user;
	struct account *account = accounts_find(accounts, request->pid);

	vec_clear(&request->births->fresh);
	if (!account)
		return;
	/* Exchanged, so that nobody waits for a copy. */
	struct birth_vec empty = request->births->fresh;

	request->births->fresh = account->births;
	account->births = empty;
}

static struct seen *seen_of(struct births *b, int pid, uint64_t type)
{
	for (size_t i = 0; i < b->seen.count; i++)
		if (b->seen.items[i].pid == pid && b->seen.items[i].type == type)
			return &b->seen.items[i];
	if (vec_push(&b->seen, (struct seen){pid, type, 0}))
		return NULL;
	return &b->seen.items[b->seen.count - 1];
}

/* An address that was handed out again: the object of before is gone. */
static void drop_at(struct births *b, int pid, uint64_t address)
{
	for (size_t i = b->watched.count; i-- > 0;)
		if (b->watched.items[i].address == address && b->watched.items[i].pid == pid)
			vec_remove_unordered(&b->watched, i);
}

static void watch_fresh(struct births *b, int pid)
{
	for (size_t i = 0; i < b->fresh.count; i++) {
		const struct birth *birth = &b->fresh.items[i];
		struct seen *seen = seen_of(b, pid, birth->type);
		struct watched watched = {birth->address, birth->type, birth->time_ns, pid,
					  birth->stack};

		if (seen)
			seen->count++;
		drop_at(b, pid, birth->address);
		if (b->watched.count < WATCHED_MAX)
			(void)!vec_push(&b->watched, watched);
	}
	vec_clear(&b->fresh);
}

static void take_all(struct births *b)
{
	for (size_t i = 0; i < b->session->members.count; i++) {
		const struct member *member = b->session->members.items[i];
		struct take_request request = {b, member->target->key.pid};

		if (member->ended || !member->python.layout)
			continue;
		ingest_call(b->session->ingest, take_fresh, &request);
		watch_fresh(b, request.pid);
	}
}

static bool is_alive(const struct watched *watched, const uint64_t *head)
{
	return head[0] && head[0] < REFERENCES_MAX && head[1] == watched->type;
}

/* Those of one process in one call, or few. */
static void poll_process(struct births *b, int pid)
{
	size_t count = 0;
	_cleanup_free_ struct memory_piece *pieces = calloc(b->watched.count + 1, sizeof(*pieces));
	_cleanup_free_ uint64_t *heads = calloc(2 * b->watched.count + 1, sizeof(*heads));

	if (!pieces || !heads)
		return;
	for (size_t i = 0; i < b->watched.count; i++)
		if (b->watched.items[i].pid == pid) {
			pieces[count] = (struct memory_piece){b->watched.items[i].address,
							      &heads[2 * count], 16, false};
			count++;
		}
	memory_read_pieces(pid, pieces, count);
	for (size_t i = b->watched.count; i-- > 0;) {
		if (b->watched.items[i].pid != pid)
			continue;
		count--;
		if (!pieces[count].ok || !is_alive(&b->watched.items[i], &heads[2 * count]))
			vec_remove_unordered(&b->watched, i);
	}
}

static void poll_all(struct births *b)
{
	for (size_t i = 0; i < b->session->members.count; i++)
		if (!b->session->members.items[i]->ended)
			poll_process(b, b->session->members.items[i]->target->key.pid);
}

/* A type that has grown, by what. */
struct growing {
	uint64_t type;
	double bytes;
};

static void insert(struct growing *list, size_t *count, struct growing entry)
{
	size_t at = *count;

	while (at && list[at - 1].bytes < entry.bytes)
		at--;
	if (at == TYPES_MAX)
		return;
	*count += *count < TYPES_MAX;
	for (size_t i = *count - 1; i > at; i--)
		list[i] = list[i - 1];
	list[at] = entry;
}

/* Since the first look, and still so between the last two. */
static size_t list_growing(const struct pylook *look, struct growing ret[TYPES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < look->types.count; i++) {
		const struct pylook_type *type = look->types.items[i];
		const struct object_point *first = &type->points[0],
					  *last = &type->points[type->count - 1];

		if (type->count < 2 || last->count <= first->count || last->count <= last[-1].count)
			continue;
		insert(ret, &count,
		       (struct growing){type->address, (double)last->bytes - (double)first->bytes});
	}
	return count;
}

static int add_member(struct births *b, struct member *member)
{
	struct growing growing[TYPES_MAX];
	uint64_t types[TYPES_MAX], functions[MAKERS], bias = 0;
	size_t count = list_growing(&member->pylook, growing), found = 0;
	const struct module *module = python_runtime_module(member->target, &member->python, &bias);

	for (size_t i = 0; i < count; i++)
		types[i] = growing[i].type;
	probe_births_set(b->session->probe, member->target->key.pid, types, count);
	if (!count || !module)
		return -ENOENT;
	for (size_t i = 0; i < MAKERS; i++) {
		uint64_t address =
			python_runtime_function(member->target, &member->python, makers[i]);

		if (address)
			functions[found++] = address - bias;
	}
	return found ? probe_window_add_births(b->window, member->target->key.pid, module,
					       functions, found)
		     : -ENOENT;
}

/* A return probe kills some processes that have seccomp filters, on some kernels. */
static bool may_probe(const struct births *b, const struct member *member)
{
	return !member->ended && member->python.layout && member->pylook.looks > 1 &&
	       (!member->target->seccomp_mode || !probe_selftest_seccomp(b->session->probe));
}

static void open_window(struct births *b, uint64_t now_ns)
{
	size_t added = 0;
	int err = probe_window_new(b->session->probe, &b->window);

	for (size_t i = 0; !err && i < b->session->members.count; i++)
		if (may_probe(b, b->session->members.items[i]))
			added += !add_member(b, b->session->members.items[i]);
	b->hits_before = probe_births_count(b->session->probe).hits;
	if (!err && added)
		err = window_thread_open(b->thread, b->window, b->hold_ns, MOST_BYTES);
	if (err || !added) {
		probe_window_free(b->window);
		b->window = NULL;
		b->next_ns = now_ns + GAP_NS;
	}
}

/* How long the next one may be, and when. */
static void plan_next(struct births *b)
{
	uint64_t hits = probe_births_count(b->session->probe).hits - b->hits_before;
	double cost_ns = (double)hits * HIT_NS + WINDOW_NS;
	double gap_ns = cost_ns * 100 / (b->session->options.budget_percent * SHARE);

	b->next_ns = clock_now_ns() + (gap_ns > GAP_NS ? (uint64_t)gap_ns : GAP_NS);
	if (hits < HITS_FEW && b->hold_ns < HOLD_MAX_NS)
		b->hold_ns *= 2;
	if (hits > HITS_MANY && b->hold_ns > HOLD_MIN_NS)
		b->hold_ns /= 2;
	log_debug("window on Python's objects: %lu calls, the next one in %.1f s for %.0f ms",
		  (unsigned long)hits, (double)(b->next_ns - clock_now_ns()) / NS_PER_S,
		  (double)b->hold_ns / NS_PER_MS);
}

static void close_window(struct births *b)
{
	struct budget_times times;
	int err = window_thread_take(b->thread, &times);

	probe_window_free(b->window);
	b->window = NULL;
	if (err)
		log_debug_err(err, "no window on Python's objects");
	plan_next(b);
}

static int on_closed(void *user, uint32_t events)
{
	struct births *b = user;

	(void)events;
	close_window(b);
	take_all(b);
	poll_all(b);
	return 0;
}

uint64_t births_traps(const struct births *b)
{
	return b ? probe_births_count(b->session->probe).hits * TRAPS_OF_HIT : 0;
}

void births_tick(struct births *b, uint64_t now_ns)
{
	if (!b || b->window)
		return;
	take_all(b);
	poll_all(b);
	if (now_ns >= b->next_ns)
		open_window(b, now_ns);
}

void births_stop(struct births *b)
{
	if (!b)
		return;
	loop_remove(b->session->loop, window_thread_closed_fd(b->thread));
	if (b->window) {
		window_thread_close(b->thread);
		close_window(b);
	}
	take_all(b);
	poll_all(b);
}

void births_forget(struct births *b, int pid)
{
	for (size_t i = b ? b->watched.count : 0; i-- > 0;)
		if (b->watched.items[i].pid == pid)
			vec_remove_unordered(&b->watched, i);
	if (b)
		probe_births_set(b->session->probe, pid, NULL, 0);
}

static bool stays(const struct births *b, const struct watched *watched, int pid, uint64_t type)
{
	uint64_t now_ns = b->session->stopped_ns ? b->session->stopped_ns : clock_now_ns();

	return watched->pid == pid && watched->type == type && watched->born_ns + STAYS_NS < now_ns;
}

static uint64_t count_at(const struct births *b, int pid, uint64_t type, stack_id stack)
{
	uint64_t count = 0;

	for (size_t i = 0; i < b->watched.count; i++)
		count += stays(b, &b->watched.items[i], pid, type) &&
			 b->watched.items[i].stack == stack;
	return count;
}

bool births_blame(const struct births *b, int pid, uint64_t type, struct births_blame *ret)
{
	struct map64 counts; /* by stack */

	*ret = (struct births_blame){0};
	map64_init(&counts, hash_seed_random());
	for (size_t i = 0; b && i < b->watched.count; i++) {
		const struct watched *w = &b->watched.items[i];

		if (!stays(b, w, pid, type))
			continue;
		ret->stayed++;
		if (map64_get(&counts, w->stack, &(uint64_t){0}) ||
		    map64_put(&counts, w->stack, 1) < 0)
			continue;
		uint64_t here = count_at(b, pid, type, w->stack);

		if (here > ret->stayed_here) {
			ret->stayed_here = here;
			ret->stack = w->stack;
		}
	}
	map64_done(&counts);
	for (size_t i = 0; b && i < b->seen.count; i++)
		if (b->seen.items[i].pid == pid && b->seen.items[i].type == type)
			ret->seen = b->seen.items[i].count;
	return ret->stayed_here > 0;
}
