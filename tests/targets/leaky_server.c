// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * leaky_server: the bundled server of `make hunt`. A small HTTP/1.1 server on loopback with worker
 * threads and a gentle client of its own. It holds five things, and loses one:
 *
 *	parse_header_copy   LEAKS: the copy of the headers is forgotten when a Content-Length is
 *	                    malformed; about 1 MiB a minute at the default rate
 *	remember_client     GROWS: a table of clients that nothing ever removes; 0.2 MiB a minute
 *	session_create      innocent: a cache of 1,024 sessions, oldest out, full from the start
 *	log_line_copy       innocent: a ring of 1,024 lines, full after seconds
 *	connection_buffer, body_buffer   innocent: freed with the request or the connection
 *
 * Usage: leaky_server [--port=0] [--rate=200] [--workers=6] [--truth | --quiet]
 * It says "ready PID" and "listening 127.0.0.1:PORT", serves until SIGTERM or SIGINT, and then
 * frees whatever it can still reach. With --truth it starts to serve at go, stops at stop, and
 * prints its account (truth.h) before it frees.
 */
#include "truth.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
	SESSION_LIMIT = 1024,
	SESSION_BUCKETS = 256,
	SESSION_BYTES = 1000,
	LOG_LINES = 1024,
	CLIENT_BUCKETS = 4096,
	REQUEST_MAX = 8192,
	BODY_MAX = 65536,
	REQUESTS_PER_CONNECTION = 16,
	WORKERS_MAX = 64,
};

TRUTH_SITE(parse_header_copy);
TRUTH_SITE(remember_client);
TRUTH_SITE(session_create);
TRUTH_SITE(log_line_copy);
TRUTH_SITE(connection_buffer);
TRUTH_SITE(body_buffer);
TRUTH_TOLERATE(start_threads);

struct session {
	struct session *bucket_next;
	struct session *older, *newer;
	unsigned long id;
	int from_start;
	char data[SESSION_BYTES];
};

struct client {
	struct client *next;
	unsigned long id;
	unsigned long requests;
	char agent[88];
};

struct request {
	const char *method, *path, *headers;
	size_t headers_length;
	char *header_copy;
	size_t header_copy_bytes;
	unsigned long client, session;
	long content_length;
};

static struct {
	pthread_mutex_t lock;
	struct session *buckets[SESSION_BUCKETS];
	struct session *oldest, *newest;
	unsigned int count;
} sessions = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
	pthread_mutex_t lock;
	char *lines[LOG_LINES];
	unsigned long next;
} log_ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
	pthread_mutex_t lock;
	struct client *buckets[CLIENT_BUCKETS];
} clients = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
	int listener;
	uint16_t port;
	long rate;
	long worker_count;
	pthread_t workers[WORKERS_MAX];
	pthread_t client;
	int started;
	volatile int stop;
} server;

/* ---- sessions: a cache with a bound ---------------------------------------------------------- */

TRUTH_FN static struct session *session_create(unsigned long id)
{
	struct session *session = calloc(1, sizeof(*session));

	TRUTH_STAY();
	if (!session)
		return NULL;
	TRUTH_ALLOC(session_create, sizeof(*session));
	session->id = id;
	snprintf(session->data, sizeof(session->data), "cart of session %lu", id);
	return session;
}

static void session_free(struct session *session)
{
	if (session->from_start)
		truth_free_before_attach();
	else
		TRUTH_FREE(session_create, sizeof(*session));
	free(session);
}

static void session_unlink_age(struct session *session)
{
	*(session->older ? &session->older->newer : &sessions.oldest) = session->newer;
	*(session->newer ? &session->newer->older : &sessions.newest) = session->older;
}

static void session_link_newest(struct session *session)
{
	session->newer = NULL;
	session->older = sessions.newest;
	*(sessions.newest ? &sessions.newest->newer : &sessions.oldest) = session;
	sessions.newest = session;
}

static void session_evict_oldest(void)
{
	struct session *session = sessions.oldest;
	struct session **at = &sessions.buckets[session->id % SESSION_BUCKETS];

	while (*at != session)
		at = &(*at)->bucket_next;
	*at = session->bucket_next;
	session_unlink_age(session);
	sessions.count--;
	session_free(session);
}

static struct session *session_find(unsigned long id)
{
	struct session *session = sessions.buckets[id % SESSION_BUCKETS];

	while (session && session->id != id)
		session = session->bucket_next;
	return session;
}

/* The session's data is copied out, because another worker may evict it at once. */
static void session_get(unsigned long id, int from_start, char *data, size_t size)
{
	pthread_mutex_lock(&sessions.lock);
	struct session *session = session_find(id);
	if (session) {
		session_unlink_age(session);
		session_link_newest(session);
	} else if ((session = session_create(id))) {
		struct session **bucket = &sessions.buckets[id % SESSION_BUCKETS];

		session->from_start = from_start;
		session->bucket_next = *bucket;
		*bucket = session;
		session_link_newest(session);
		if (++sessions.count > SESSION_LIMIT)
			session_evict_oldest();
	}
	snprintf(data, size, "%.100s", session ? session->data : "no memory");
	pthread_mutex_unlock(&sessions.lock);
}

static void sessions_restore(void)
{
	char data[64];

	for (unsigned long id = 1; id <= SESSION_LIMIT; id++)
		session_get(id, 1, data, sizeof(data));
	site_session_create.allocs = 0;
	site_session_create.alloc_bytes = 0;
}

/* ---- the log: a ring -------------------------------------------------------------------------- */

TRUTH_FN static char *log_line_copy(const char *line)
{
	char *copy = strdup(line);

	TRUTH_STAY();
	if (copy)
		TRUTH_ALLOC(log_line_copy, strlen(line) + 1);
	return copy;
}

static void log_line_free(char *line)
{
	if (!line)
		return;
	TRUTH_FREE(log_line_copy, strlen(line) + 1);
	free(line);
}

static void log_request(const struct request *request, int status)
{
	char line[256];

	snprintf(line, sizeof(line), "client %lu \"%s %s\" %d", request->client, request->method,
		 request->path, status);
	char *copy = log_line_copy(line);
	pthread_mutex_lock(&log_ring.lock);
	char **slot = &log_ring.lines[log_ring.next++ % LOG_LINES];
	char *old = *slot;
	*slot = copy;
	pthread_mutex_unlock(&log_ring.lock);
	log_line_free(old);
}

/* ---- clients: a table that only grows --------------------------------------------------------- */

TRUTH_FN static void remember_client(unsigned long id)
{
	pthread_mutex_lock(&clients.lock);
	struct client **at = &clients.buckets[id % CLIENT_BUCKETS];
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	if (!*at && (*at = calloc(1, sizeof(**at)))) {
		TRUTH_ALLOC(remember_client, sizeof(**at));
		(*at)->id = id;
		snprintf((*at)->agent, sizeof((*at)->agent), "client/%lu", id);
	}
	if (*at)
		(*at)->requests++;
	pthread_mutex_unlock(&clients.lock);
}

/* ---- one request ------------------------------------------------------------------------------ */

TRUTH_FN static char *parse_header_copy(const char *headers, size_t length)
{
	char *copy = malloc(length + 1);

	TRUTH_STAY();
	if (!copy)
		return NULL;
	TRUTH_ALLOC(parse_header_copy, length + 1);
	memcpy(copy, headers, length);
	copy[length] = '\0';
	return copy;
}

static void header_copy_free(struct request *request)
{
	if (!request->header_copy)
		return;
	TRUTH_FREE(parse_header_copy, request->header_copy_bytes);
	free(request->header_copy);
	request->header_copy = NULL;
}

static const char *header_value(const char *headers, const char *name)
{
	const char *at = strstr(headers, name);

	return at ? at + strlen(name) : NULL;
}

/* Splits "METHOD PATH VERSION" in place. */
static int parse_request_line(char *text, struct request *request)
{
	char *space = strchr(text, ' ');
	if (!space)
		return -EPROTO;
	*space = '\0';
	char *path = space + 1;
	space = strchr(path, ' ');
	if (!space)
		return -EPROTO;
	*space = '\0';
	char *end = strstr(space + 1, "\r\n");
	if (!end)
		return -EPROTO;
	request->method = text;
	request->path = path;
	request->headers = end + 2;
	request->headers_length = strlen(request->headers);
	return 0;
}

/* Here is the bug that the hunt is to find: the early return forgets the copy. */
static int parse_headers(struct request *request)
{
	request->header_copy = parse_header_copy(request->headers, request->headers_length);
	request->header_copy_bytes = request->headers_length + 1;
	if (!request->header_copy)
		return 503;
	const char *value = header_value(request->header_copy, "X-Client: ");
	request->client = value ? strtoul(value, NULL, 10) : 0;
	value = header_value(request->header_copy, "X-Session: ");
	request->session = value ? strtoul(value, NULL, 10) : 0;
	value = header_value(request->header_copy, "Content-Length: ");
	if (value) {
		char *end;

		request->content_length = strtol(value, &end, 10);
		if (end == value || *end != '\r' || request->content_length < 0 ||
		    request->content_length > BODY_MAX) {
			request->content_length = 0;
			request->header_copy = NULL;
			return 400;
		}
	}
	return 200;
}

static int send_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static int send_response(int fd, int status, const char *text)
{
	char head[512];
	int length = snprintf(head, sizeof(head),
			      "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\n"
			      "Content-Length: %zu\r\n\r\n%s",
			      status, status == 200 ? "OK" : "Error", strlen(text), text);

	return send_all(fd, head, (size_t)length);
}

TRUTH_FN static char *body_buffer(size_t bytes)
{
	char *buffer = malloc(bytes);

	TRUTH_STAY();
	if (buffer)
		TRUTH_ALLOC(body_buffer, bytes);
	return buffer;
}

/* Waits for data, but not beyond the server's end. */
static ssize_t receive(int fd, char *data, size_t size, int flags)
{
	for (;;) {
		ssize_t n = recv(fd, data, size, flags);
		if (n < 0 && (errno == EINTR || errno == EAGAIN) && !server.stop)
			continue;
		return n;
	}
}

static int serve_body(int fd, const struct request *request)
{
	size_t bytes = (size_t)request->content_length;
	char *body = body_buffer(bytes + 1);
	size_t got = 0;

	if (!body)
		return -ENOMEM;
	while (got < bytes) {
		ssize_t n = receive(fd, body + got, bytes - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	TRUTH_FREE(body_buffer, bytes + 1);
	free(body);
	return got == bytes ? 0 : -EPIPE;
}

static int serve_request(int fd, char *text)
{
	struct request request = {.method = "?", .path = "?"};
	char answer[128] = "";
	int status = parse_request_line(text, &request) ? 400 : parse_headers(&request);
	int err = 0;

	if (status == 200) {
		remember_client(request.client);
		if (request.session)
			session_get(request.session, 0, answer, sizeof(answer));
		if (request.content_length > 0)
			err = serve_body(fd, &request);
	}
	log_request(&request, status);
	header_copy_free(&request);
	return err ? err : send_response(fd, status, status == 200 ? answer : "bad request");
}

/* ---- connections and workers ------------------------------------------------------------------ */

TRUTH_FN static char *connection_buffer(void)
{
	char *buffer = malloc(REQUEST_MAX);

	TRUTH_STAY();
	if (buffer)
		TRUTH_ALLOC(connection_buffer, REQUEST_MAX);
	return buffer;
}

/* Takes what is there up to the empty line, and leaves what follows (a body) in the socket. */
static int read_request(int fd, char *buffer)
{
	size_t length = 0;

	while (length < REQUEST_MAX - 1) {
		ssize_t n = receive(fd, buffer + length, REQUEST_MAX - 1 - length, MSG_PEEK);
		if (n <= 0)
			return -EPIPE;
		buffer[length + (size_t)n] = '\0';
		char *end = strstr(buffer, "\r\n\r\n");
		size_t take = end ? (size_t)(end + 4 - (buffer + length)) : (size_t)n;
		if (receive(fd, buffer + length, take, 0) != (ssize_t)take)
			return -EPIPE;
		length += take;
		buffer[length] = '\0';
		if (end)
			return 0;
	}
	return -EMSGSIZE;
}

static void handle_connection(int fd)
{
	struct timeval patience = {.tv_usec = 200000};
	char *buffer = connection_buffer();

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; buffer && i < REQUESTS_PER_CONNECTION && !server.stop; i++)
		if (read_request(fd, buffer) || serve_request(fd, buffer))
			break;
	if (buffer)
		TRUTH_FREE(connection_buffer, REQUEST_MAX);
	free(buffer);
	close(fd);
}

static void *worker_main(void *unused)
{
	(void)unused;
	while (!server.stop) {
		int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			handle_connection(fd);
	}
	return NULL;
}

/* ---- the built-in client ---------------------------------------------------------------------- */

static int client_connect(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server.port)};
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Every tenth request has a malformed length, every third a body, every fourth a new session. */
static int client_request(int fd, unsigned long number)
{
	static const char cookie[] = "preferences=colour%3Ddark%26tz%3DEurope; consent=all; ";
	char text[REQUEST_MAX], cookies[810] = "";
	char response[1024];
	int bad = number % 10 == 0;
	int body = number % 3 == 0 ? 2000 : 0;

	for (size_t used = 0; used + sizeof(cookie) < sizeof(cookies); used += sizeof(cookie) - 1)
		memcpy(cookies + used, cookie, sizeof(cookie));
	int length = snprintf(text, sizeof(text),
			      "%s /cart/%lu HTTP/1.1\r\nHost: localhost\r\nX-Client: %lu\r\n"
			      "X-Session: %lu\r\nCookie: %s\r\nContent-Length: %s%d\r\n\r\n",
			      body && !bad ? "POST" : "GET", number % 100, number / 7,
			      SESSION_LIMIT + number / 4, cookies, bad ? "x" : "", bad ? 0 : body);
	if (send_all(fd, text, (size_t)length))
		return -1;
	if (body && !bad) {
		memset(text, 'b', (size_t)body);
		if (send_all(fd, text, (size_t)body))
			return -1;
	}
	return recv(fd, response, sizeof(response), 0) > 0 ? 0 : -1;
}

static void sleep_until(struct timespec *next, long step_ns)
{
	next->tv_nsec += step_ns;
	next->tv_sec += next->tv_nsec / 1000000000;
	next->tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

/* Four connections in turn, so that requests are served by several workers. */
static void *client_main(void *unused)
{
	int fds[4] = {-1, -1, -1, -1};
	struct timespec next;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned long number = 1; !server.stop; number++) {
		int *fd = &fds[number % 4];

		if (*fd < 0)
			*fd = client_connect();
		if (*fd >= 0 && client_request(*fd, number)) {
			close(*fd);
			*fd = -1;
		}
		sleep_until(&next, 1000000000 / server.rate);
	}
	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	server.stop = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "leaky_server: %s: %s\n", what, strerror(errno));
	exit(71);
}

static void open_listener(long port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t length = sizeof(address);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (server.listener < 0 ||
	    bind(server.listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(server.listener, 64) ||
	    getsockname(server.listener, (struct sockaddr *)&address, &length))
		die("cannot listen on loopback");
	server.port = ntohs(address.sin_port);
}

/* The threads inherit a mask without the signals, so that these wake the main thread. */
TRUTH_FN static void start_threads(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	for (; server.started < server.worker_count; server.started++)
		if (pthread_create(&server.workers[server.started], NULL, worker_main, NULL))
			die("cannot start a worker");
	if (pthread_create(&server.client, NULL, client_main, NULL))
		die("cannot start the client");
	pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

static void stop_threads(void)
{
	server.stop = 1;
	pthread_join(server.client, NULL);
	shutdown(server.listener, SHUT_RDWR);
	for (int i = 0; i < server.started; i++)
		pthread_join(server.workers[i], NULL);
}

static void free_everything(void)
{
	while (sessions.oldest)
		session_evict_oldest();
	for (int i = 0; i < LOG_LINES; i++)
		log_line_free(log_ring.lines[i]);
	for (int i = 0; i < CLIENT_BUCKETS; i++) {
		while (clients.buckets[i]) {
			struct client *client = clients.buckets[i];

			clients.buckets[i] = client->next;
			TRUTH_FREE(remember_client, sizeof(*client));
			free(client);
		}
	}
	close(server.listener);
}

static int has_argument(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	int with_truth = has_argument(argc, argv, "--truth");

	server.rate = truth_argument(argc, argv, "--rate", 200);
	server.worker_count = truth_argument(argc, argv, "--workers", 6);
	if (server.rate < 1 || server.rate > 100000 || server.worker_count < 1 ||
	    server.worker_count > WORKERS_MAX) {
		fprintf(stderr, "leaky_server: --rate is 1 to 100000, --workers 1 to %d\n",
			WORKERS_MAX);
		return 64;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	open_listener(truth_argument(argc, argv, "--port", 0));
	sessions_restore();
	truth.automatic = !with_truth;
	truth_begin(argc, argv);
	start_threads();
	if (!has_argument(argc, argv, "--quiet")) {
		truth_printf("listening 127.0.0.1:%u\n", server.port);
		truth_flush();
	}
	truth_until_stop(NULL, &server.stop);
	stop_threads();
	if (with_truth)
		truth_end();
	free_everything();
	return 0;
}
