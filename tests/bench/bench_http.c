/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_http: the agent's HTTP server with answers of three sizes, for ab and the like. Prints where it listens and
 * serves until its input ends; then prints {"requests":N,"cpu_us_per_request":N,"max_rss_kb":N}.
 *
 *	bench_http 127.0.0.1:7699 &	GET /small (20 B), /list (about 40 KB of JSON composed anew), /asset (64 KB)
 *	ab -q -n 20000 -c 8 -k http://127.0.0.1:7699/small
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/http/http.h"

#define TARGETS 200
#define SAMPLES 20

static int answer_small(struct http_request *request, void *user)
{
	struct json_out *json = http_json(request);

	(void)user;
	json_out_string(json, "status", "ok");
	return http_answer_composed(request, 200);
}

static int answer_list(struct http_request *request, void *user)
{
	struct json_out *json = http_json(request);

	(void)user;
	json_out_begin_array(json, "targets");
	for (uint64_t i = 0; i < TARGETS; i++) {
		json_out_begin_object(json, NULL);
		json_out_u64(json, "id", i);
		json_out_string(json, "name", "web");
		json_out_double(json, "growth_rate_mb_per_min", (double)i / 7);
		json_out_begin_array(json, "sparkline");
		for (uint64_t s = 0; s < SAMPLES; s++)
			json_out_u64(json, NULL, 100000000 + i * s);
		json_out_end_array(json);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	return http_answer_composed(request, 200);
}

static int on_input(void *user, uint32_t events)
{
	char byte;

	(void)user;
	(void)events;
	return read(STDIN_FILENO, &byte, 1) == 1 ? 0 : 1;
}

static void report(const struct http_server *server)
{
	struct http_stats stats;
	struct rusage usage;
	double us;

	http_server_stats(server, &stats);
	getrusage(RUSAGE_SELF, &usage);
	us = 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	printf("{\"requests\":%lu,\"cpu_us_per_request\":%.1f,\"max_rss_kb\":%ld}\n",
	       stats.answers[2], us / (double)(stats.answers[2] ? stats.answers[2] : 1),
	       usage.ru_maxrss);
}

int main(int argc, char **argv)
{
	static char bytes[65536];
	static const struct http_asset asset = {"text/javascript", bytes, bytes + sizeof(bytes),
						false};
	static const struct http_route routes[] = {
		{.path = "/small", .summary = "small", .handler = answer_small},
		{.path = "/list", .summary = "list", .handler = answer_list},
		{.path = "/asset", .summary = "asset", .asset = &asset}};
	static const struct http_table table = {routes, 3, NULL, NULL};
	struct http_options options = {.listen = argc > 1 ? argv[1] : "127.0.0.1:0",
				       .limits = HTTP_LIMITS_DEFAULT,
				       .table = &table};
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	_cleanup_(loop_freep) struct loop *loop = NULL;
	_cleanup_(http_server_freep) struct http_server *server = NULL;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i * i % 26);
	options.limits.requests_per_second = 0;
	if (loop_new(&loop) || http_server_new(loop, &options, &server, &err) ||
	    loop_add_fd(loop, STDIN_FILENO, EPOLLIN, on_input, NULL)) {
		error_print(&err, stderr);
		return 1;
	}
	puts(http_server_address(server));
	fflush(stdout);
	loop_run(loop);
	report(server);
	return 0;
}
