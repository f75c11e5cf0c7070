/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's senders alone, for the tests of tests/e2e/send.bats:
 *
 *	sender fleet URL SPOOL SERVICE VERSION HOST PID FROM MINUTES GROWTH
 *		a sample a minute from FROM minutes ago on, of a process with two stacks: one grows by GROWTH bytes a minute, one
 *		does not. Ends when all has been sent, or after 10 s (then what is left stays in SPOOL).
 *	sender alert URL fire|end
 *	sender webhook URL SECRET JSON		to try TLS; prints the last error
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/send/send.h"
#include "base/clock.h"
#include "base/log.h"

struct world {
	struct loop *loop;
	struct sender_set *set;
	struct agent_config config;
	struct alert_webhook webhook;
	struct alert_manager manager;
};

static int start(struct world *w, const char *spool)
{
	const struct send_options options = {.spool_path = spool, .retry_ns = 100 * NS_PER_MS};
	struct hf_error error = HF_ERROR_INIT;
	int err = loop_new(&w->loop);

	log_set_level(LOG_LEVEL_DEBUG);
	if (!err)
		err = send_new(w->loop, &options, &w->set);
	if (!err)
		err = send_configure(w->set, &w->config, &error);
	error_print(&error, stderr);
	error_done(&error);
	return err;
}

/* Turns until nothing waits any more, or the time is over. */
static int finish(struct world *w, uint64_t limit_ns)
{
	uint64_t end = clock_now_ns() + limit_ns;
	struct send_stats stats = {0};

	do {
		loop_run_for(w->loop, 20 * NS_PER_MS);
		send_stats(w->set, 0, &stats);
	} while (clock_now_ns() < end && (stats.queued || !stats.sent) && !stats.dropped);
	printf("sent %llu retried %llu dropped %llu queued %llu error %s\n",
	       (unsigned long long)stats.sent, (unsigned long long)stats.retried,
	       (unsigned long long)stats.dropped, (unsigned long long)stats.queued,
	       stats.last_error);
	send_free(w->set);
	loop_free(w->loop);
	return stats.sent && !stats.dropped ? 0 : 1;
}

static void add_minute(struct world *w, const struct send_target *target, uint64_t time_ns,
		       uint64_t leaked)
{
	static const char *const leak[] = {"malloc", "cache_put", "serve", "main"};
	static const char *const flat[] = {"malloc", "load", "main"};
	const struct send_site sites[] = {
		{.frames = leak,
		 .frame_count = 4,
		 .function = "cache_put",
		 .line = "cache.c:118",
		 .out_bytes = 1000000 + leaked,
		 .out_count = 10},
		{.frames = flat,
		 .frame_count = 3,
		 .function = "load",
		 .line = "load.c:7",
		 .out_bytes = 5000000 + time_ns / NS_PER_S % 7 * 1000,
		 .out_count = 1},
	};
	const struct send_sample sample = {
		.time_ns = time_ns,
		.rss_bytes = 50000000 + leaked,
		.pss_bytes = SEND_UNKNOWN,
		.uss_bytes = SEND_UNKNOWN,
		.vms_bytes = 90000000,
		.swap_bytes = 0,
		.heap_live_bytes = SEND_UNKNOWN,
	};

	send_add_sample(w->set, target, &sample);
	send_add_sites(w->set, target, time_ns, sites, 2);
}

static int run_fleet(struct world *w, char **argv)
{
	uint64_t from = strtoull(argv[6], NULL, 10), minutes = strtoull(argv[7], NULL, 10);
	uint64_t growth = strtoull(argv[8], NULL, 10);
	uint64_t begin = clock_wall_ns() / NS_PER_S * NS_PER_S - from * 60 * NS_PER_S;
	const struct send_target target = {
		.name = argv[2],
		.version = argv[3],
		.pid = (int)strtoul(argv[5], NULL, 10),
		.started_ns = begin,
	};

	w->config.fleet.clickhouse = argv[0];
	w->config.fleet.host = argv[4];
	w->config.fleet.interval_ns = NS_PER_S;
	if (start(w, argv[1]))
		return 1;
	for (uint64_t i = 0; i < minutes; i++)
		add_minute(w, &target, begin + i * 60 * NS_PER_S, i * growth);
	return finish(w, 10 * NS_PER_S);
}

static int run_alert(struct world *w, char **argv)
{
	struct send_alert alert = {
		.name = "HoldfastLeak",
		.severity = SEND_CRITICAL,
		.target = "web",
		.pid = 4312,
		.summary = "web leaks 4 MiB/min",
		.line = "cache.c:118",
		.recommendation = "free what is put there",
		.starts_ns = clock_wall_ns() - 60 * NS_PER_S,
	};

	w->manager.url = argv[0];
	w->config.alerts.managers.items = &w->manager;
	w->config.alerts.managers.count = 1;
	if (!strcmp(argv[1], "end"))
		alert.ends_ns = clock_wall_ns();
	if (start(w, "/nonexistent"))
		return 1;
	send_alert(w->set, &alert);
	return finish(w, 10 * NS_PER_S);
}

static int run_webhook(struct world *w, char **argv)
{
	const struct send_event event = {
		.name = "Test", .text = "test", .json = argv[2], .json_size = strlen(argv[2])};

	w->webhook = (struct alert_webhook){argv[0], argv[1]};
	w->config.alerts.webhooks.items = &w->webhook;
	w->config.alerts.webhooks.count = 1;
	if (start(w, "/nonexistent"))
		return 1;
	send_event(w->set, &event);
	return finish(w, 2 * NS_PER_S);
}

int main(int argc, char **argv)
{
	struct world w = {0};

	if (argc == 11 && !strcmp(argv[1], "fleet"))
		return run_fleet(&w, argv + 2);
	if (argc == 4 && !strcmp(argv[1], "alert"))
		return run_alert(&w, argv + 2);
	if (argc == 5 && !strcmp(argv[1], "webhook"))
		return run_webhook(&w, argv + 2);
	fprintf(stderr, "usage: see the head of sender.c\n");
	return 64;
}
