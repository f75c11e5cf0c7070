/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/agent_internal.h"
#include "agent/gc_counts.h"
#include "agent/leaks.h"
#include "agent/privilege.h"
#include "agent/send/event_log.h"
#include "agent/sessions.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "process/proc/memory.h"
#include "session/rules.h"

#define COMMIT_NS    (2 * NS_PER_S)
#define FULL_NS      (60 * NS_PER_S) /* PSS and USS at least so often */
#define FULL_SHARE   0.002           /* of a CPU, for that */
#define COST_NS      (10 * NS_PER_S)
#define STOP_WAIT_NS (5 * NS_PER_S) /* for jobs to detach, at the end */
#define SELF_PERCENT 1.0            /* what the agent itself may take of a core */

/* In the broker: it has rules of its own, from a configuration that it reads itself. */
struct broker_side {
	const struct config *cli;
	struct config config;
	struct target_rules *rules;
	struct rules parts;  /* of programs; they borrow from config */
	struct config *next; /* read anew, not in force; NULL: none is */
	struct target_rules *next_rules;
	struct rules next_parts;
};

static const struct rules *broker_rules(void *user)
{
	const struct broker_side *side = user;

	return &side->parts;
}

static int broker_match(void *user, int pid)
{
	const struct broker_side *side = user;

	return target_rules_match_pid(side->rules, pid);
}

/* In the broker, and so of no path that it is told: of the one that the file names now. */
static int open_token_file(const struct broker_side *side)
{
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config config;
	int fd = -EACCES;

	if (config_load_agent(side->cli->config_path, side->cli, &config, &problems, NULL))
		return fd;
	if (config.token_file) {
		fd = open(config.token_file, O_RDONLY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	config_done(&config);
	return fd;
}

static int broker_file(void *user, uint32_t which)
{
	const struct broker_side *side = user;
	int fd;

	if (which == CONFIG_FILE_TOKEN)
		return open_token_file(side);
	if (which != CONFIG_FILE_SETTINGS || !side->cli->config_path)
		return -EACCES;
	fd = open(side->cli->config_path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In the agent: what it may not read any more the broker opens. */
static int open_own_file(void *user, enum config_file which, const char *path)
{
	const struct agent *agent = user;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd >= 0)
		return fd;
	if (errno != EACCES && errno != EPERM)
		return -errno;
	err = broker_open_file(agent->broker, which, &fd);
	return err ? err : fd;
}

static int make_rules(struct config *config, struct target_rules **ret, struct hf_error *error)
{
	int err = target_rules_new(&config->agent.targets, ret);

	if (!err)
		return 0;
	config_done(config);
	return error_set_errno(error, HF_E_INTERNAL, -err, "the rules of targets: %s",
			       strerror(-err));
}

static void forget_next(struct broker_side *side)
{
	rules_done(&side->next_parts);
	target_rules_free(side->next_rules);
	side->next_rules = NULL;
	if (side->next)
		config_done(side->next);
	free(side->next);
	side->next = NULL;
}

/* Read, and not in force. */
static int read_next(struct broker_side *side, struct config_problems *problems,
		     struct hf_error *error)
{
	int err;

	forget_next(side);
	side->next = calloc(1, sizeof(*side->next));
	if (!side->next)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	err = config_load_agent(side->cli->config_path, side->cli, side->next, problems, error);
	if (!err)
		err = make_rules(side->next, &side->next_rules, error);
	if (err) { /* nothing is in it */
		free(side->next);
		side->next = NULL;
		return err;
	}
	err = rules_make(side->next, &side->next_parts, error);
	if (err)
		forget_next(side);
	return err;
}

static int broker_reread(void *user)
{
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;

	return read_next(user, &problems, NULL);
}

static void broker_adopt_rules(void *user)
{
	struct broker_side *side = user;

	rules_done(&side->parts);
	target_rules_free(side->rules);
	config_done(&side->config);
	side->config = *side->next;
	side->rules = side->next_rules;
	side->parts = side->next_parts;
	side->next_rules = NULL;
	side->next_parts = (struct rules){0};
	free(side->next);
	side->next = NULL;
}

/* The processes of ours that no rule is meant for: those that look at others. */
static bool is_ours(void *user, int pid)
{
	const struct agent *agent = user;

	if (broker_is_own(agent->broker, pid))
		return true;
	for (size_t i = 0; i < agent->jobs.count; i++)
		if (agent->jobs.items[i]->pid == pid)
			return true;
	return false;
}

static int open_process(void *user, int pid, struct process_handle *ret_handle, char **ret_exe,
			int *rule)
{
	const struct agent *agent = user;
	struct process_handle handle;
	char *exe;
	int its, err = broker_open(agent->broker, pid, &handle, &exe, &its);

	if (err)
		return err;
	/* The file was changed between the broker's reading and ours: the next reload mends that. */
	if ((size_t)its >= agent->config->agent.targets.count) {
		process_handle_done(&handle);
		free(exe);
		return -EPERM;
	}
	*ret_handle = handle;
	*ret_exe = exe;
	*rule = its;
	return 0;
}

/* Of those that have told twice. */
static double jobs_percent(const struct agent *agent, uint64_t passed_ns)
{
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < agent->jobs.count; i++) {
		struct agent_job *job = agent->jobs.items[i];

		if (job->cpu_ns && job->tick.cpu_ns > job->cpu_ns)
			sum_ns += job->tick.cpu_ns - job->cpu_ns;
		job->cpu_ns = job->tick.cpu_ns;
	}
	return (double)sum_ns * 100 / (double)passed_ns;
}

static void weigh(struct agent *agent)
{
	struct process_memory memory = {0};
	struct trace_memory all;
	uint64_t broker_bytes;

	process_memory_read(getpid(), true, &memory);
	if (broker_weigh(agent->broker, &broker_bytes))
		return;
	agent->cost.own_bytes = memory.pss_bytes + broker_bytes;
	tracing_weigh(agent, &all);
	agent->cost.memory_bytes = trace_memory_bytes(&all);
}

static void measure_cost(struct agent *agent, uint64_t now_ns)
{
	struct agent_cost *cost = &agent->cost;
	uint64_t cpu_ns = clock_process_cpu_ns();

	cost->tracing_percent = 0;
	for (size_t i = 0; i < agent->jobs.count; i++)
		cost->tracing_percent += agent->jobs.items[i]->tick.overhead_percent;
	if (now_ns - cost->since_ns < COST_NS)
		return;
	cost->cpu_percent =
		(double)(cpu_ns - cost->cpu_ns) * 100 / (double)(now_ns - cost->since_ns);
	if (cost->since_ns && (cost->cpu_percent > SELF_PERCENT) != agent->over_budget) {
		_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

		agent->over_budget = !agent->over_budget;
		strbuf_addf(&text,
			    "the agent itself took %.2f %% of a core; it is to stay below %g",
			    cost->cpu_percent, SELF_PERCENT);
		event_tell(agent,
			   &(struct event){
				   .kind = agent->over_budget ? "PerformanceThresholdExceeded"
							      : "PerformanceThresholdEnded",
				   .severity = agent->over_budget ? SEND_WARNING : SEND_INFO,
				   .text = text.buf,
				   .detail = "{\"threshold\":\"budget\"}",
			   });
	}
	cost->jobs_percent = jobs_percent(agent, now_ns - cost->since_ns);
	weigh(agent);
	cost->since_ns = now_ns;
	cost->cpu_ns = cpu_ns;
}

/* A store that was begun anew knows nothing of what is active. */
static void mend_store(struct agent *agent)
{
	struct store_state state;

	store_state(agent->store, &state);
	if (state.damaged_files == agent->damaged_files)
		return;
	agent->damaged_files = state.damaged_files;
	leaks_put_all(agent);
	sessions_put_all(agent);
	event_tell(agent, &(struct event){
				  .kind = "StoreSetAside",
				  .severity = SEND_WARNING,
				  .text = state.set_aside ? state.set_aside : state.text,
			  });
}

/* Slower, as long as it takes too much: half as often. */
static void pace(struct agent *agent)
{
	uint64_t interval_ns = agent->config->sampling_interval_ns;

	if (agent->over_budget)
		interval_ns *= 2;
	if (interval_ns == agent->interval_ns)
		return;
	agent->interval_ns = interval_ns;
	loop_set_timer(agent->loop, agent->pass_fd, interval_ns, interval_ns);
}

static int on_pass(void *user, uint32_t expirations)
{
	struct agent *agent = user;
	uint64_t now_ns = clock_now_ns(), wall_ns = clock_wall_ns();
	int err = process_watch_pass(agent->watch, now_ns);

	(void)expirations;
	if (err)
		log_warn_err(err, "/proc can't be read");
	gc_counts_tick(agent, now_ns);
	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		if (target)
			target_judge(target, now_ns, wall_ns);
	}
	if (!agent->passes++)
		targets_reconcile(agent);
	sessions_tick(agent, now_ns);
	tracing_tick(agent, now_ns);
	jobs_check(agent, now_ns);
	measure_cost(agent, now_ns);
	pace(agent);
	return 0;
}

static int on_upkeep(void *user, uint32_t expirations)
{
	struct agent *agent = user;
	bool more;

	(void)expirations;
	store_commit(agent->store);
	store_retain(agent->store, clock_wall_ns(), clock_now_ns(), &more);
	mend_store(agent);
	return 0;
}

static void configure_store(struct agent *agent)
{
	struct store_options options = {0};
	struct retention retention;

	config_retention(agent->config, &retention);
	options.max_bytes = retention.max_bytes;
	options.raw_age_ns = retention.raw_ns;
	options.minutes_age_ns = retention.minutes_ns;
	options.days_age_ns = retention.days_ns;
	options.profiles_per_target = (uint32_t)retention.profiles;
	store_configure(agent->store, &options);
}

/* What can't change while it runs. */
static int check_fixed(const struct config *old, const struct config *new, struct hf_error *error)
{
	const char *old_user = old->user ? old->user : "", *new_user = new->user ? new->user : "";
	const char *what = strcmp(old->listen, new->listen) != 0 ? "listen"
			   : strcmp(old->store, new->store) != 0 ? "store"
			   : strcmp(old_user, new_user) != 0     ? "user"
								 : NULL;

	if (!what)
		return 0;
	error_set(error, HF_E_CONFIG, "%s can't change while the agent runs", what);
	return error_fix(error, "restart the agent: what it has stored stays");
}

static int hash_of_token(struct agent *agent, const struct config *config,
			 char ret_hex[SHA256_HEX_LENGTH + 1], struct hf_error *error)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	int err;

	*ret_hex = '\0';
	if (!config->token_file)
		return 0;
	err = token_file_read_fd(open_own_file(agent, CONFIG_FILE_TOKEN, config->token_file), hash);
	if (err)
		return error_set_errno(error, HF_E_CONFIG, -err, "token_file %s can't be read: %s",
				       config->token_file, strerror(-err));
	sha256_to_hex(hash, ret_hex);
	return 0;
}

/*
 * What may fail, all or nothing: the broker only gets ready, the senders leave all as it was, and the token of before was good
 * once. What comes last fails only where the broker is gone, and nothing new is watched then, by whatever rules.
 */
static int put_in_force(struct agent *agent, const struct config *config, const char *token,
			struct hf_error *error)
{
	int err;

	if (broker_reload(agent->broker))
		return error_set(error, HF_E_CONFIG, "the broker can't read the configuration");
	err = http_server_set_token(agent->http, token, error);
	if (err)
		return err;
	err = send_configure(agent->senders, &config->agent, error);
	if (err) {
		http_server_set_token(agent->http, agent->token, NULL);
		return err;
	}
	err = broker_adopt(agent->broker);
	if (err)
		log_warn_err(err, "the broker does not take the new rules");
	memcpy(agent->token, token, sizeof(agent->token));
	return 0;
}

static int apply(struct agent *agent, struct config *config, struct target_rules *rules,
		 struct hf_error *error)
{
	char token[SHA256_HEX_LENGTH + 1];
	struct config old = *agent->config;
	int err = check_fixed(agent->config, config, error);

	if (!err)
		err = hash_of_token(agent, config, token, error);
	if (!err)
		err = put_in_force(agent, config, token, error);
	if (err)
		return err;
	process_watch_set_rules(agent->watch, rules);
	process_watch_set_gauges(agent->watch, config_has_gauges(config));
	target_rules_free(agent->rules);
	agent->rules = rules;
	*agent->config = *config;
	process_watch_pass(agent->watch, clock_now_ns());
	for (size_t i = 0; i < process_watch_count(agent->watch); i++)
		if (agent_target(process_watch_at(agent->watch, i)))
			target_configure(agent_target(process_watch_at(agent->watch, i)));
	config_done(&old); /* the names of targets that have just gone were in it */
	configure_store(agent);
	event_log_configure(&agent->config->agent.alerts.log);
	return 0;
}

int agent_reload(struct agent *agent, struct config_problems *problems, struct hf_error *error)
{
	struct target_rules *rules = NULL;
	struct config config;
	const struct config_opener opener = {open_own_file, agent};
	int err = config_load_agent_by(&opener, agent->cli, &config, problems, error);

	if (!err)
		err = make_rules(&config, &rules, error);
	if (err)
		return err;
	err = apply(agent, &config, rules, error);
	if (err) {
		target_rules_free(rules);
		config_done(&config);
		return err;
	}
	event_tell(agent, &(struct event){.kind = "ConfigurationReloaded",
					  .text = "the configuration was read anew"});
	return 0;
}

static void reload_for_signal(struct agent *agent)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;

	if (!agent_reload(agent, &problems, &error))
		return;
	log_error("the configuration is wrong, the old one stays: %s", error.what.buf);
	for (size_t i = 0; i < problems.list.count; i++)
		log_error("%s: %s; %s", problems.list.items[i].place, problems.list.items[i].what,
			  problems.list.items[i].why);
}

static int on_signal(void *user, uint32_t number)
{
	struct agent *agent = user;

	if (number == SIGHUP) {
		reload_for_signal(agent);
		return 0;
	}
	log_info("signal %u: the agent ends", number);
	return 1;
}

static int add_sources(struct agent *agent)
{
	sigset_t signals;
	int err;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	err = loop_add_signals(agent->loop, &signals, on_signal, agent, &agent->signal_fd);
	agent->interval_ns = agent->config->sampling_interval_ns;
	if (!err)
		err = loop_add_timer(agent->loop, agent->interval_ns, on_pass, agent,
				     &agent->pass_fd);
	if (!err)
		err = loop_add_timer(agent->loop, COMMIT_NS, on_upkeep, agent, &agent->upkeep_fd);
	return err;
}

static int start_watch(struct agent *agent)
{
	const struct watch_options options = {
		.rules = agent->rules,
		.open = open_process,
		.came = target_came,
		.went = target_went,
		.skip = is_ours,
		.user = agent,
		.full_ns = FULL_NS,
		.full_share = FULL_SHARE,
	};
	int err = process_watch_new(&options, &agent->watch);

	if (!err)
		process_watch_set_gauges(agent->watch, config_has_gauges(agent->config));
	return err;
}

static int start_store(struct agent *agent, struct hf_error *error)
{
	const struct store_options options = {.directory = agent->config->store};
	struct store_state state;
	int err = store_open(&options, &agent->store, error);

	if (err)
		return err;
	configure_store(agent);
	store_state(agent->store, &state); /* mend_store() makes an event of it */
	if (state.set_aside)
		log_warn("the store was damaged; it is kept as %s", state.set_aside);
	leaks_load(agent);
	sessions_load(agent);
	return 0;
}

static int start_http(struct agent *agent, struct hf_error *error)
{
	struct http_options options = {
		.listen = agent->config->listen,
		.token_sha256 = agent->token,
		.limits = HTTP_LIMITS_DEFAULT,
		.user = agent,
	};
	int err = api_table_new(&agent->routes);

	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	options.table = api_table_http(agent->routes);
	err = hash_of_token(agent, agent->config, agent->token, error);
	return err ? err : http_server_new(agent->loop, &options, &agent->http, error);
}

static int start_senders(struct agent *agent, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf spool = STRBUF_INIT, url = STRBUF_INIT;
	struct send_options options = {.web_url = NULL};
	int err;

	strbuf_addf(&spool, "%s/spool", agent->config->store);
	/* A socket has no URL that a browser opens; the server knows the port where any free one was asked for. */
	if (strncmp(agent->config->listen, "unix:", 5) != 0) {
		strbuf_addf(&url, "http://%s", http_server_address(agent->http));
		options.web_url = url.buf;
	}
	options.spool_path = spool.buf;
	err = send_new(agent->loop, &options, &agent->senders);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the agent can't start: %s",
				       strerror(-err));
	return send_configure(agent->senders, &agent->config->agent, error);
}

/* Each target takes five descriptors. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int start_broker(struct agent *agent, struct broker_side *side,
			const struct privilege_users *users, struct hf_error *error)
{
	const struct broker_options options = {
		.match = broker_match,
		.rules = broker_rules,
		.reload = broker_reread,
		.adopt = broker_adopt_rules,
		.open_file = broker_file,
		.user = side,
		.run_as = users->broker,
	};

	return broker_new(&options, &agent->broker, error);
}

/* Nothing foreign was read yet, but what root has written. Only the address may want a privilege more. */
static int give_up_privileges(struct agent *agent, const struct privilege_users *users,
			      struct hf_error *error)
{
	int err;

	privilege_prepare_store(agent->config->store, &users->agent);
	err = privilege_lower(&users->agent, error);
	if (!err)
		err = start_http(agent, error);
	return err ? err : privilege_drop(error);
}

static int start(struct agent *agent, struct broker_side *side, struct hf_error *error)
{
	struct privilege_users users;
	int err = privilege_choose(agent->config, &users, error);

	if (!err)
		err = start_broker(agent, side, &users, error);
	if (err)
		return err;
	err = loop_new(&agent->loop);
	if (!err)
		err = start_watch(agent);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "the agent can't start: %s",
				       strerror(-err));
	err = give_up_privileges(agent, &users, error);
	if (!err)
		err = start_store(agent, error);
	if (!err)
		err = start_senders(agent, error);
	if (err)
		return err;
	agent->oom_err = broker_sees_oom_kills(agent->broker);
	leaks_announce(agent);
	err = add_sources(agent);
	return err ? error_set_errno(error, HF_E_INTERNAL, -err, "the agent can't start: %s",
				     strerror(-err))
		   : 0;
}

/* Jobs detach, and send what they have; whoever does not in time is left to the broker. */
static void stop_jobs(struct agent *agent)
{
	uint64_t until_ns = clock_now_ns() + STOP_WAIT_NS;

	for (size_t i = 0; i < agent->jobs.count; i++)
		job_stop(agent->jobs.items[i]);
	while (agent->jobs.count && clock_now_ns() < until_ns)
		loop_run_for(agent->loop, 50 * NS_PER_MS);
	while (agent->jobs.count)
		job_free(agent->jobs.items[agent->jobs.count - 1]);
	vec_done(&agent->jobs);
}

static void forget_targets(struct agent *agent)
{
	for (size_t i = 0; agent->watch && i < process_watch_count(agent->watch); i++)
		target_forget(process_watch_at(agent->watch, i));
}

static void stop(struct agent *agent)
{
	if (agent->loop && agent->pass_fd)
		loop_remove(agent->loop, agent->pass_fd);
	stop_jobs(agent);
	if (agent->store)
		sessions_free(agent);
	http_server_free(agent->http);
	api_table_free(agent->routes);
	forget_targets(agent);
	process_watch_free(agent->watch);
	send_free(agent->senders);
	store_close(agent->store);
	leaks_free(agent);
	vec_done(&agent->streams);
	loop_free(agent->loop);
	broker_free(agent->broker);
}

static int run(struct agent *agent, struct broker_side *side, struct hf_error *error)
{
	int err = start(agent, side, error);

	if (err)
		return err;
	agent->started_ns = clock_now_ns();
	agent->started_wall_ns = clock_wall_ns();
	log_info("the agent serves %s, and keeps its data in %s", http_server_address(agent->http),
		 store_path(agent->store));
	on_pass(agent, 1);
	err = loop_run(agent->loop);
	return err < 0 ? error_set_errno(error, HF_E_INTERNAL, -err, "the agent's loop: %s",
					 strerror(-err))
		       : 0;
}

/* The file was not read yet when main() looked. */
static void configure_log(const struct config *config)
{
	enum log_level level;

	event_log_configure(&config->agent.alerts.log);

	/* What was asked for by hand wins. */
	if (config->source[OPT_log_level] != CONFIG_DEFAULT &&
	    !log_level_parse(config->log_level, &level))
		log_set_level(level);
}

int agent_run(const struct config *cli, struct config_problems *problems, struct hf_error *error)
{
	struct broker_side side = {.cli = cli};
	struct agent agent = {.cli = cli, .config = &side.config};
	int err;

	raise_limits();
	config_init(&side.config);
	err = read_next(&side, problems, error);
	if (!err) {
		broker_adopt_rules(&side);
		agent.rules = side.rules;
		configure_log(&side.config);
	}
	if (!err)
		err = run(&agent, &side, error);
	stop(&agent);
	target_rules_free(agent.rules);
	rules_done(&side.parts);
	config_done(&side.config);
	return err;
}
