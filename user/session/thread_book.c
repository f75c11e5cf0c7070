/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/thread_book.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/hashmap.h"
#include "base/vec.h"

struct known_thread {
	uint32_t tid;
	int pid;
	bool named;
	uint64_t rules, read_ns;
};

struct thread_book {
	const struct component_rules *rules;
	thread_name_fn read;
	VEC(struct known_thread) threads;
	struct map64 by_tid;          /* -> index */
	uint64_t renames_ns, renames; /* names read anew since */
	uint64_t unnamed;
};

int thread_book_new(const struct component_rules *rules, thread_name_fn read,
		    struct thread_book **ret)
{
	struct thread_book *book = calloc(1, sizeof(*book));

	if (!book)
		return -ENOMEM;
	book->rules = rules;
	book->read = read;
	map64_init(&book->by_tid, hash_seed_random());
	*ret = book;
	return 0;
}

void thread_book_free(struct thread_book *book)
{
	if (!book)
		return;
	vec_done(&book->threads);
	map64_done(&book->by_tid);
	free(book);
}

static void read_name(struct thread_book *book, struct known_thread *thread, uint64_t time_ns)
{
	char name[PROCESS_COMM_BYTES];

	thread->read_ns = time_ns;
	/* One that is ending has no name any more: it keeps what it had. */
	if (book->read(thread->pid, thread->tid, name))
		return;
	thread->named = true;
	thread->rules = component_rules_of_thread(book->rules, name);
}

static bool may_read_anew(struct thread_book *book, const struct known_thread *thread,
			  uint64_t time_ns)
{
	if (time_ns < thread->read_ns + THREAD_NAME_NS)
		return false;
	if (time_ns >= book->renames_ns + THREAD_NAME_NS) {
		book->renames_ns = time_ns;
		book->renames = 0;
	}
	return book->renames++ < THREAD_RENAMES_MAX;
}

/* NULL: there are too many, or there is no memory. */
static struct known_thread *get(struct thread_book *book, int pid, uint32_t tid, uint64_t time_ns)
{
	struct known_thread *thread, fresh = {.tid = tid, .pid = pid};
	uint64_t at;

	if (map64_get(&book->by_tid, tid, &at)) {
		thread = &book->threads.items[at];
		/* Its end was lost, and the number is another's by now. */
		if (thread->pid != pid)
			*thread = fresh;
		if (!thread->read_ns || may_read_anew(book, thread, time_ns))
			read_name(book, thread, time_ns);
		return thread;
	}
	if (book->threads.count >= THREADS_MAX || vec_reserve(&book->threads, 1) ||
	    map64_put(&book->by_tid, tid, book->threads.count))
		return NULL;
	vec_push(&book->threads, fresh);
	thread = &book->threads.items[book->threads.count - 1];
	read_name(book, thread, time_ns);
	return thread;
}

uint64_t thread_book_rules(struct thread_book *book, int pid, uint32_t tid, uint64_t time_ns)
{
	const struct known_thread *thread = get(book, pid, tid, time_ns);

	if (thread && thread->named)
		return thread->rules;
	book->unnamed++;
	return 0;
}

void thread_book_forget(struct thread_book *book, uint32_t tid)
{
	uint64_t at;

	if (!map64_remove(&book->by_tid, tid, &at))
		return;
	vec_remove_unordered(&book->threads, at);
	if (at < book->threads.count)
		map64_put(&book->by_tid, book->threads.items[at].tid, at); /* it is there */
}

uint64_t thread_book_unnamed(const struct thread_book *book)
{
	return book->unnamed;
}
