// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread -O2
/*
 * span_server: threads serve users; what each user's sessions, jobs and steps keep is declared, by span and key.
 *
 * session(user): serve_session's first argument is a C string; ends when it returns, or is left by longjmp or an exception.
 * Sessions nest (a user acts for another one) and recurse. Between two sessions the same loop calls a function that
 * allocates from the very place on the stack, through the same pointer. job(number): from job_begin() to job_end(), which both return at once.
 * step(number): within sessions; its function goes on to another one by a jump.
 */
#include <csetjmp>
#include <mutex>
#include <pthread.h>

#include "truth.h"

namespace
{

enum { THREADS = 4, ROUNDS = 200, DEPTH = 3 };

struct Held {
	unsigned long bytes, count, allocs, alloc_bytes;
};

/* Filled in before and after the threads run: a map allocates, too. */
struct Account {
	const char *span;
	char key[160];
	Held held;
};

Account accounts[64];
int account_count;
std::mutex lock;

Account *account(const char *span, const char *key)
{
	for (int i = 0; i < account_count; i++)
		if (!strcmp(accounts[i].span, span) && !strcmp(accounts[i].key, key))
			return &accounts[i];
	if (account_count == 64)
		_exit(71);
	Account *fresh = &accounts[account_count++];
	fresh->span = span;
	snprintf(fresh->key, sizeof(fresh->key), "%s", key);
	return fresh;
}

void note(const char *span, const char *key, unsigned long bytes, bool kept)
{
	std::lock_guard<std::mutex> guard(lock);
	Held &held = account(span, key)->held;

	held.allocs++;
	held.alloc_bytes += bytes;
	held.bytes += kept ? bytes : 0;
	held.count += kept;
}

/* What is open on this thread, as the program sees it. */
struct Open {
	const char *user;
	long job, step; /* 0: none */
};

thread_local Open now;
thread_local jmp_buf out;

} // namespace

extern "C" {

TRUTH_FN void allocate(unsigned long bytes, bool kept)
{
	void *p = malloc(bytes);
	char key[24];

	TRUTH_HIDE(p);
	if (now.user)
		note("session", now.user, bytes, kept);
	if (now.job) {
		snprintf(key, sizeof(key), "%ld", now.job);
		note("job", key, bytes, kept);
	}
	if (now.step) {
		snprintf(key, sizeof(key), "%ld", now.step);
		note("step", key, bytes, kept);
	}
	if (!kept)
		free(p);
}

TRUTH_FN void job_begin(int unused, long number)
{
	(void)unused;
	now.job = number;
}

TRUTH_FN void job_end(void)
{
	now.job = 0;
}

TRUTH_FN void step_work(long number)
{
	now.step = number;
	allocate(10 + number, true);
	allocate(5, false);
	now.step = 0;
	TRUTH_STAY();
}

/* At -O2 a jump. */
__attribute__((noinline, noclone)) void run_step(long number)
{
	__asm__ volatile("");
	return step_work(number);
}

TRUTH_FN void leave_by_longjmp(const char *user)
{
	now.user = user;
	allocate(64, true);
	longjmp(out, 1);
}

TRUTH_FN void serve_session(const char *user, int how, int depth);

TRUTH_FN void serve_inner(const char *user, int how, int depth)
{
	const char *before = now.user;

	if (depth > 0)
		serve_session(how == 3 ? "deputy" : user, how, depth - 1);
	now.user = before;
	TRUTH_STAY();
}

TRUTH_FN void serve_session(const char *user, int how, int depth)
{
	now.user = user;
	allocate(100 + depth, true);
	allocate(1000, false);
	serve_inner(user, how, depth);
	run_step(how + 1);
	allocate(30, true);
	if (how == 1)
		leave_by_longjmp(user);
	if (how == 2)
		throw 1;
	TRUTH_STAY();
}

/* Called from the same place as a session. */
TRUTH_FN void between_sessions(const char *user, int how, int depth)
{
	(void)user;
	(void)how;
	(void)depth;
	now.user = NULL;
	allocate(77, true);
	TRUTH_STAY();
}

TRUTH_FN void one_call(void (*call)(const char *, int, int), const char *user, int how, int depth)
{
	if (!setjmp(out)) {
		try {
			call(user, how, depth);
		} catch (int) {
		}
	}
	now.user = NULL;
	now.step = 0;
	allocate(11, true);
	TRUTH_STAY();
}

} // extern "C"

static void *serve(void *argument)
{
	static const char *const users[] = {"alice", "bob", "carol", "Zo\xc3\xab \"x\"", ""};
	static const char long_name[] =
		"a-name-that-is-longer-than-is-kept-................................"
		"................................................................";
	long thread = (long)argument;

	for (int i = 0; i < ROUNDS; i++) {
		const char *user = i % 50 == 49 ? long_name : users[(i + thread) % 5];

		if (i % 3 == 0)
			job_begin(0, thread * 10 - 5 + i % 2);
		one_call(serve_session, user, i % 4, i % DEPTH);
		one_call(between_sessions, user, 0, 0);
		if (i % 3 == 0)
			job_end();
		one_call(between_sessions, user, 0, 0);
	}
	return NULL;
}

static void print_key(const char *key)
{
	/* As holdfast shows it: 127 bytes of it, quotes escaped for JSON. */
	for (int i = 0; key[i] && i < 127; i++)
		truth_printf(key[i] == '"' ? "\\\"" : "%c", key[i]);
	if (strlen(key) >= 127)
		truth_printf("…");
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	truth_begin(argc, argv);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, serve, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	truth_printf("{\"pid\":%d,\"final\":true,\"spans\":[", (int)getpid());
	for (int i = 0; i < account_count; i++) {
		const Held &held = accounts[i].held;

		truth_printf("%s{\"span\":\"%s\",\"key\":\"", i ? "," : "", accounts[i].span);
		print_key(accounts[i].key);
		truth_printf("\",\"outstanding_bytes\":%lu,\"outstanding_count\":%lu", held.bytes,
			     held.count);
		/* In the others the exceptions are allocated, too. */
		if (!strcmp(accounts[i].span, "step"))
			truth_printf(",\"allocs\":%lu,\"alloc_bytes\":%lu", held.allocs,
				     held.alloc_bytes);
		truth_printf("}");
	}
	truth_printf("]}\n");
	truth_flush();
	truth_wait("end");
	return 0;
}
