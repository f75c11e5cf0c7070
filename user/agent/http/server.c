/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/http/http_internal.h"
#include "agent/http/table.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"

#define RUNS_AT_ONCE   16 /* before others in the loop have their turn */
#define TICKS_PER_TIME 4  /* looks at deadlines in the shortest time that matters */
#define SOON_NS        1
#define MHD_GRACE_S    5 /* MHD's own timeout comes after ours */
#define BUFFER_FACTOR  4 /* connection memory: MHD reads headers into it, parses and answers in it */
#define BUFFER_EXTRA   4096

static const char *const reject_names[HTTP_REJECT_COUNT] = {
#define HTTP_REJECT_NAME(name, label) label,
	HTTP_REJECTS(HTTP_REJECT_NAME)
#undef HTTP_REJECT_NAME
};

const char *http_reject_name(enum http_reject reject)
{
	return reject_names[reject];
}

void http_set_state(struct http_server *server, struct http_connection *connection,
		    enum http_state state)
{
	uint64_t time = server->limits.timeout_ns;

	if (connection->state == HTTP_STATE_DEFERRED)
		server->stats.deferred--;
	if (state == HTTP_STATE_DEFERRED)
		server->stats.deferred++;
	/* the request line is part of the headers, whose time runs already */
	if (state != HTTP_STATE_HEADERS)
		connection->deadline_ns =
			clock_now_ns() +
			(state == HTTP_STATE_ANSWER ? HTTP_ANSWER_TIMEOUTS : 1) * time;
	if (state == HTTP_STATE_DEFERRED || state == HTTP_STATE_STREAM)
		connection->deadline_ns = UINT64_MAX;
	connection->state = state;
}

void http_shut(struct http_connection *connection)
{
	if (!connection->is_shut)
		shutdown(connection->fd, SHUT_RDWR);
	connection->is_shut = true;
}

static void wake_at(struct http_server *server, uint64_t now_ns, uint64_t at_ns)
{
	/* waking too early does no harm; 0: it is about to fire */
	if (!server->wake_ns || (server->wake_ns <= at_ns && server->wake_ns > now_ns))
		return;
	server->wake_ns = at_ns;
	loop_set_timer(server->loop, server->timer_fd, at_ns > now_ns ? at_ns - now_ns : SOON_NS,
		       0);
}

/* Soon, from the loop: resumes, runs MHD. */
static void schedule(struct http_server *server)
{
	if (!server->is_running)
		wake_at(server, clock_now_ns(), 0);
}

void http_resume_later(struct http_request *request)
{
	if (!request->is_suspended || request->is_listed)
		return;
	request->is_listed = true;
	TAILQ_INSERT_TAIL(&request->server->to_resume, request, link);
	schedule(request->server);
}

static void resume_listed(struct http_server *server)
{
	struct http_request *request;

	while ((request = TAILQ_FIRST(&server->to_resume))) {
		TAILQ_REMOVE(&server->to_resume, request, link);
		request->is_listed = false;
		request->is_suspended = false;
		MHD_resume_connection(request->mhd);
	}
}

/* A client that closed its side; MHD does not look at those it has suspended. */
static bool has_gone(const struct http_connection *connection)
{
	struct pollfd p = {.fd = connection->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void end_suspended(struct http_server *server, struct http_connection *connection)
{
	http_shut(connection);
	if (connection->state == HTTP_STATE_DEFERRED)
		http_set_state(server, connection, HTTP_STATE_ANSWER);
	if (connection->request)
		http_resume_later(connection->request);
}

/* Too slow. Nothing of an answer has been sent where the request is not complete, so this may be one. */
static void end_slow(struct http_server *server, struct http_connection *connection)
{
	static const char late[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
				   "Content-Length: 0\r\n\r\n";

	if (connection->state == HTTP_STATE_HEADERS || connection->state == HTTP_STATE_BODY) {
		if (send(connection->fd, late, sizeof(late) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			server->stats.answers[4]++;
	}
	if (connection->state != HTTP_STATE_IDLE || !connection->has_asked)
		server->stats.rejected[HTTP_REJECT_TIME]++;
	http_shut(connection);
}

static void tick(struct http_server *server, uint64_t now_ns)
{
	struct http_connection *connection;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		bool is_suspended = connection->state == HTTP_STATE_DEFERRED ||
				    connection->state == HTTP_STATE_STREAM;

		if (connection->is_shut)
			continue;
		if (is_suspended && has_gone(connection))
			end_suspended(server, connection);
		else if (now_ns >= connection->deadline_ns)
			end_slow(server, connection);
	}
	http_streams_tick(server, now_ns);
	server->tick_ns = now_ns;
}

static uint64_t tick_interval(const struct http_server *server)
{
	uint64_t least = server->limits.timeout_ns;

	if (server->limits.keep_alive_ns < least)
		least = server->limits.keep_alive_ns;
	least /= TICKS_PER_TIME;
	return least < NS_PER_S ? least : NS_PER_S;
}

static void arm(struct http_server *server, bool is_busy)
{
	uint64_t now_ns = clock_now_ns(), at_ns = UINT64_MAX;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES)
		at_ns = now_ns + wait_ms * NS_PER_MS;
	if (!TAILQ_EMPTY(&server->connections) && server->tick_ns + tick_interval(server) < at_ns)
		at_ns = server->tick_ns + tick_interval(server);
	if (is_busy)
		at_ns = 0;
	if (at_ns != UINT64_MAX)
		wake_at(server, now_ns, at_ns);
}

static void run(struct http_server *server)
{
	uint64_t now_ns = clock_now_ns();
	MHD_UNSIGNED_LONG_LONG wait_ms;
	bool is_busy = true;

	server->is_running = true;
	if (now_ns - server->tick_ns >= tick_interval(server))
		tick(server, now_ns);
	for (unsigned int i = 0; i < RUNS_AT_ONCE && is_busy; i++) {
		resume_listed(server);
		server->has_room = false;
		MHD_run(server->daemon);
		http_streams_tell(server);
		is_busy = server->has_room || !TAILQ_EMPTY(&server->to_resume) ||
			  (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES && !wait_ms);
	}
	server->is_running = false;
	arm(server, is_busy);
}

static int on_sockets(void *user, uint32_t events)
{
	(void)events;
	run(user);
	return 0;
}

static int on_timer(void *user, uint32_t expired)
{
	struct http_server *server = user;

	(void)expired;
	server->wake_ns = UINT64_MAX;
	run(server);
	return 0;
}

static void fill_peer(struct http_server *server, struct MHD_Connection *mhd,
		      struct http_connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;
	struct http_peer *peer = &connection->peer;
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	const void *key = peer->address;

	peer->uid = (uid_t)-1;
	if (server->listen.is_local) {
		snprintf(peer->address, sizeof(peer->address), "unix");
		if (!getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size)) {
			peer->is_local = true;
			peer->uid = credentials.uid;
			peer->pid = credentials.pid;
		}
		connection->rate_key = hash_u64(peer->uid, server->seed);
		return;
	}
	if (address && address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, peer->address,
			  sizeof(peer->address));
	else if (address && address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr,
			  peer->address, sizeof(peer->address));
	connection->rate_key = hash_bytes(key, strlen(peer->address), server->seed);
}

static void open_connection(struct http_server *server, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_connection *connection = calloc(1, sizeof(*connection));

	*context = connection; /* NULL: its requests are closed unanswered */
	if (!connection)
		return;
	connection->fd = info->connect_fd;
	fill_peer(server, mhd, connection);
	http_set_state(server, connection, HTTP_STATE_IDLE);
	TAILQ_INSERT_TAIL(&server->connections, connection, link);
	server->stats.connections++;
	server->stats.connections_total++;
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = user;
	struct http_connection *connection = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		open_connection(server, mhd, context);
		return;
	}
	if (!connection)
		return;
	if (connection->request) {
		/* MHD tells of no end where the headers were broken */
		void *request = connection->request;

		http_request_end(server, mhd, &request, MHD_REQUEST_TERMINATED_WITH_ERROR);
	}
	if (!connection->has_asked)
		server->stats.connections_silent++;
	server->stats.connections--;
	server->has_room = true;
	TAILQ_REMOVE(&server->connections, connection, link);
	free(connection);
}

static void on_log(void *user, const char *fmt, va_list ap)
{
	char text[256];

	(void)user;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("libmicrohttpd: %s", text);
}

/* MHD has the socket now and closes it with itself. */
static int start_daemon(struct http_server *server, int fd, struct hf_error *err)
{
	const struct http_limits *limits = &server->limits;
	bool by_address = !server->listen.is_loopback;
	size_t buffer = limits->header_bytes * BUFFER_FACTOR + BUFFER_EXTRA;
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, server},
		{MHD_OPTION_LISTEN_SOCKET, fd, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, limits->connections, NULL},
		{MHD_OPTION_PER_IP_CONNECTION_LIMIT, by_address ? limits->connections_per_ip : 0,
		 NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)buffer, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT,
		 (intptr_t)(limits->timeout_ns / NS_PER_S + MHD_GRACE_S), NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_request_begin, server},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_request_end, server},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, server},
		{MHD_OPTION_END, 0, NULL},
	};

	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		http_request_continue, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (server->daemon)
		return 0;
	return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "the HTTP server cannot start");
}

static int join_loop(struct http_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err = loop_add_timer(server->loop, NS_PER_S, on_timer, server, &server->timer_fd);

	if (!err)
		err = loop_set_timer(server->loop, server->timer_fd, 0, 0);
	if (!err)
		err = loop_add_fd(server->loop, info->epoll_fd, EPOLLIN, on_sockets, server);
	if (!err)
		server->epoll_fd = info->epoll_fd;
	return err;
}

int http_server_set_token(struct http_server *server, const char *token_sha256,
			  struct hf_error *err)
{
	bool has_token = token_sha256 && *token_sha256;

	if (has_token && sha256_from_hex(token_sha256, server->token)) {
		error_set(err, HF_E_CONFIG, "the token's hash is not 64 hexadecimal digits");
		return error_fix(err, "make it with: printf %%s TOKEN | sha256sum | cut -c 1-64");
	}
	if (!has_token && !server->listen.is_loopback) {
		error_set(err, HF_E_CONFIG, "a token is required to listen on %s",
			  server->address.buf);
		error_why(err, "everybody who can reach the address could use the agent");
		return error_fix(err, "set `token_file`, or listen on 127.0.0.1 or a unix socket");
	}
	server->has_token = has_token;
	return 0;
}

static int copy_hosts(struct http_server *server, const char *const *hosts)
{
	size_t count = 0;

	while (hosts && hosts[count])
		count++;
	server->hosts = calloc(count + 1, sizeof(*server->hosts));
	if (!server->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		server->hosts[i] = strdup(hosts[i]);
		if (!server->hosts[i])
			return -ENOMEM;
	}
	return 0;
}

static int check_limits(const struct http_limits *limits, struct hf_error *err)
{
	if (limits->connections && limits->header_bytes && limits->body_bytes &&
	    limits->body_total_bytes && limits->answer_total_bytes && limits->stream_queue_bytes &&
	    limits->timeout_ns && limits->keep_alive_ns)
		return 0;
	return error_set(err, HF_E_CONFIG, "a limit of the HTTP server is 0");
}

static int configure(struct http_server *server, const struct http_options *options,
		     struct hf_error *err)
{
	int result = http_table_check(options->table, err);

	if (!result)
		result = check_limits(&options->limits, err);
	if (!result)
		result = http_listen_parse(options->listen, &server->listen, err);
	if (result)
		return result;
	server->limits = options->limits;
	server->table = options->table;
	server->user = options->user;
	http_rate_init(&server->rate, options->limits.requests_per_second,
		       options->limits.requests_burst);
	if (http_listen_text(&server->listen, &server->address) ||
	    copy_hosts(server, options->hosts))
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	result = http_assets_new(server->table, &server->assets);
	if (result)
		return error_set_errno(err, HF_E_INTERNAL, -result, "the page's parts are damaged");
	return http_server_set_token(server, options->token_sha256, err);
}

static int start(struct http_server *server, struct hf_error *err)
{
	int fd, result = http_listen_open(&server->listen, &fd, err);

	if (result)
		return result;
	strbuf_reset(&server->address); /* now with its port */
	result = http_listen_text(&server->listen, &server->address);
	if (!result)
		result = start_daemon(server, fd, err);
	if (!result)
		result = join_loop(server);
	if (result && !error_is_set(err))
		error_set_errno(err, HF_E_INTERNAL, -result, "the HTTP server cannot start");
	return result;
}

int http_server_new(struct loop *loop, const struct http_options *options,
		    struct http_server **ret_server, struct hf_error *err)
{
	_cleanup_(http_server_freep) struct http_server *server = calloc(1, sizeof(*server));
	int result;

	if (!server)
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	server->loop = loop;
	server->epoll_fd = server->timer_fd = -1;
	server->wake_ns = UINT64_MAX;
	server->seed = hash_seed_random();
	strbuf_init(&server->address);
	TAILQ_INIT(&server->connections);
	TAILQ_INIT(&server->to_resume);
	TAILQ_INIT(&server->streams);
	result = configure(server, options, err);
	if (!result)
		result = start(server, err);
	if (result)
		return result;
	*ret_server = no_free_ptr(server);
	return 0;
}

/* MHD may not be stopped while something is suspended. */
static void resume_all(struct http_server *server)
{
	struct http_connection *connection;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		http_shut(connection);
		if (connection->request)
			http_resume_later(connection->request);
	}
	resume_listed(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->is_running = true; /* nothing is to be scheduled any more */
	if (server->epoll_fd >= 0)
		loop_remove(server->loop, server->epoll_fd);
	if (server->timer_fd >= 0)
		loop_remove(server->loop, server->timer_fd);
	if (server->daemon) {
		resume_all(server);
		MHD_stop_daemon(server->daemon);
		http_streams_tell(server);
	}
	http_listen_remove(&server->listen);
	for (char **host = server->hosts; host && *host; host++)
		free(*host);
	free(server->hosts);
	if (server->assets)
		http_assets_free(server->table, server->assets);
	strbuf_done(&server->address);
	free(server);
}

const char *http_server_address(const struct http_server *server)
{
	return server->address.buf;
}

void http_server_stats(const struct http_server *server, struct http_stats *ret_stats)
{
	*ret_stats = server->stats;
}
