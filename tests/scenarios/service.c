// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service: serves requests for ever, by one way of holding memory; a fleet of these stands in for the services of a
 * machine (tests/e2e/lib/agent_fleet.py). A request is read into a copy, its checksum stands in for the work, and what it
 * leaves behind is the kind's affair:
 *
 *	--kind=plain	nothing
 *	       cache	an entry of a table of 4,096, the oldest out: full after as many requests
 *	       warm	an entry of a table of 40,000, which is not full for a long time: the RSS grows, and nothing is lost
 *	       pool	a connection of a free list, given back 64 requests later
 *	       arena	blocks of an arena, all freed every 500 requests
 *	       batch	a record, 5,000 of which are written away and freed at once
 *	       session	a session, which ends by its time
 *	       queue	a job, taken out by a second thread, sooner or later
 *	       leak	in one of --every=20 requests a copy of its headers, that nobody refers to any more
 *
 *	--rate=N	requests a second (50); 0: one after the other, as fast as they go
 *	--work=N	passes over the request (4)
 *	--before=N	requests served at once before it is ready (10,000): most have grown as far as they will
 *	--truth		says first where it leaks: "leaks FUNCTION FILE:LINE"
 *
 * "stat" on stdin is answered by {"requests":N,"cpu_ns":N,"lost":N}, all since the start. It says "ready PID".
 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>

#include "course.h"

enum {
	REQUEST = 2048,
	HEADERS = 700,
	CACHE = 4096,
	WARM = 40000,
	POOL = 64,
	ARENA = 500,
	BATCH = 5000,
	SESSIONS = 2000,
	QUEUE = 1024
};

struct entry {
	struct entry *next;
	double until;
	size_t bytes;
	char text[];
};

static struct {
	struct shelf chance;
	unsigned long requests, lost, every, passes;
	struct entry *cache[WARM], *pool, *in_use[POOL], *arena, *batch, *sessions, *session_last;
	struct entry *queue[QUEUE];
	unsigned long head, tail; /* of the queue */
	pthread_mutex_t lock;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER};

APART static struct entry *entry_new(size_t bytes)
{
	struct entry *entry = sure(malloc(sizeof(*entry) + bytes));

	*entry = (struct entry){.bytes = bytes};
	memset(entry->text, 'e', bytes);
	return entry;
}

static size_t any_size(size_t most)
{
	return 32 + work_random(&service.chance) % most;
}

static void keep_at(size_t slot)
{
	free(service.cache[slot]);
	service.cache[slot] = entry_new(any_size(800));
}

APART static void serve_cache(void)
{
	keep_at(service.requests % CACHE);
}

APART static void serve_warm(void)
{
	keep_at(service.requests % WARM);
}

APART static void serve_plain(void)
{
}

APART static void serve_pool(void)
{
	struct entry **place = &service.in_use[service.requests % POOL], *taken = service.pool;

	if (taken)
		service.pool = taken->next;
	else
		taken = entry_new(4000);
	if (*place) {
		(*place)->next = service.pool;
		service.pool = *place;
	}
	*place = taken;
}

static void free_all(struct entry **list)
{
	while (*list) {
		struct entry *gone = *list;

		*list = gone->next;
		free(gone);
	}
}

static void put(struct entry **list, size_t bytes)
{
	struct entry *entry = entry_new(bytes);

	entry->next = *list;
	*list = entry;
}

APART static void serve_arena(void)
{
	for (int i = 0; i < 3; i++)
		put(&service.arena, any_size(300));
	if (service.requests % ARENA == 0)
		free_all(&service.arena);
}

APART static void serve_batch(void)
{
	put(&service.batch, any_size(600));
	if (service.requests % BATCH == 0)
		free_all(&service.batch);
}

APART static void serve_session(void)
{
	struct entry *entry = entry_new(any_size(1000));

	entry->until = course_now() + 1 + (double)(work_random(&service.chance) % 1000) / 500;
	if (service.session_last)
		service.session_last->next = entry;
	else
		service.sessions = entry;
	service.session_last = entry;
	while (service.sessions->next && service.sessions->until < course_now()) {
		entry = service.sessions;
		service.sessions = entry->next;
		free(entry);
	}
}

APART static void serve_queue(void)
{
	struct entry *job = entry_new(any_size(500));

	pthread_mutex_lock(&service.lock);
	if (service.head - service.tail < QUEUE) {
		service.queue[service.head++ % QUEUE] = job;
		job = NULL;
	}
	pthread_mutex_unlock(&service.lock);
	free(job);
}

/* Takes jobs in bursts. */
static void *take_jobs(void *unused)
{
	const struct timespec pause = {.tv_nsec = 300000000};

	for (;;) {
		pthread_mutex_lock(&service.lock);
		while (service.tail != service.head)
			free(service.queue[service.tail++ % QUEUE]);
		pthread_mutex_unlock(&service.lock);
		nanosleep(&pause, NULL);
	}
	return unused;
}

enum { LEAK_LINE = __LINE__ + 4 };

APART static char *copy_headers(const char *request)
{
	char *copy = sure(malloc(HEADERS));

	return memcpy(copy, request, HEADERS);
}

APART static void serve_leak(void)
{
	char request[HEADERS] = "GET / HTTP/1.1", *headers = copy_headers(request);

	KEEP(headers);
	if (service.requests % service.every)
		free(headers);
	else
		service.lost++;
	headers = NULL;
	KEEP(headers);
}

static const struct kind {
	const char *name;
	void (*serve)(void);
} kinds[] = {{"plain", serve_plain},     {"cache", serve_cache}, {"warm", serve_warm},
	     {"pool", serve_pool},       {"arena", serve_arena}, {"batch", serve_batch},
	     {"session", serve_session}, {"queue", serve_queue}, {"leak", serve_leak}};

/* The work of a request: its text is gone over, and an answer made. */
APART static unsigned long work_on(const char *request)
{
	unsigned long sum = 0;

	for (unsigned long pass = 0; pass < service.passes; pass++)
		for (int i = 0; i < REQUEST; i++)
			sum = sum * 31 + (unsigned char)request[i] + pass;
	return sum;
}

APART static void serve_request(const struct kind *kind)
{
	char *request = work_record(REQUEST), *answer = work_record(256);
	unsigned long sum;

	request[service.requests % REQUEST] = 'r';
	sum = work_on(request);
	snprintf(answer, 256, "HTTP/1.1 200 OK\r\nETag: %lx\r\n\r\n", sum);
	KEEP(answer);
	free(answer);
	free(request);
	service.requests++;
	kind->serve();
}

static void answer_stat(void)
{
	struct timespec cpu;
	char line[128];

	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	course_say(line, (size_t)snprintf(line, sizeof(line),
					  "{\"requests\":%lu,\"cpu_ns\":%ld,\"lost\":%lu}\n",
					  service.requests, cpu.tv_sec * 1000000000L + cpu.tv_nsec,
					  service.lost));
}

/* Whether somebody asks: looked at now and then, for a look costs as much as a request. */
static void listen_at_times(unsigned long every)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	if (service.requests % every == 0 && poll(&in, 1, 0) > 0)
		answer_stat();
}

static const struct kind *find_kind(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (course_is("--kind", kinds[i].name, "plain"))
			return &kinds[i];
	exit(64);
}

/* No work, and nothing lost: it has run for long. */
static void serve_before(const struct kind *kind)
{
	unsigned long passes = service.passes, every = service.every;

	service.passes = 0;
	service.every = ULONG_MAX;
	for (long i = course_number("--before", 10000); i > 0; i--)
		serve_request(kind);
	service.passes = passes;
	service.every = every;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	course.argc = argc;
	course.argv = argv;
	course.rate = (double)course_number("--rate", 50);
	service.every = (unsigned long)course_number("--every", 20);
	service.passes = (unsigned long)course_number("--work", 4);
	const struct kind *kind = find_kind();

	if (course_text("--truth", NULL))
		printf("leaks copy_headers service.c:%d\n", LEAK_LINE);
	fflush(stdout);
	serve_before(kind);
	if (kind->serve == serve_queue && pthread_create(&thread, NULL, take_jobs, NULL))
		return 71;
	for (course_ready();; course.steps++) {
		if (course.rate > 0)
			course_wait();
		listen_at_times(course.rate > 0 ? 1 : 256);
		serve_request(kind);
	}
}
