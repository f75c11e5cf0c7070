// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/send.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/send/alertmanager.h"
#include "agent/send/event_log.h"
#include "agent/send/fleet.h"
#include "agent/send/identity.h"
#include "agent/send/webhook.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_DEFAULT_NS   NS_PER_S
#define TIMEOUT_DEFAULT_NS (10 * NS_PER_S)
#define ALERT_DEFAULT_NS   (60 * NS_PER_S)
#define SPOOL_DEFAULT_NS   (3600 * NS_PER_S)
#define SPOOL_DEFAULT      (128ull << 20)
#define FLUSH_NS           (2 * NS_PER_S)

VEC_STRUCT(webhook_vec, struct webhook *);
VEC_STRUCT(manager_vec, struct alertmanager *);

/* What a configuration makes. */
struct receivers {
	struct webhook_vec webhooks;
	struct manager_vec managers;
	struct webhook *pyroscope; /* NULL: none */
	struct fleet *fleet;       /* NULL: no ClickHouse */
};

/*
 * All of it turns on a loop of its own, which is one source of the agent's: so that send_free() can let it turn on alone.
 */
struct sender_set {
	struct loop *outer, *loop;
	struct http_client *client;
	struct send_options options;
	char *spool_path, *web_url;
	struct fleet_rule identity;
	struct receivers now;
	struct alert_vec firing;
};

static int turn(void *user, uint32_t events)
{
	struct sender_set *set = user;

	(void)events;
	(void)loop_run_for(set->loop, 0);
	return 0;
}

static int copy_options(const struct send_options *options, struct sender_set *set)
{
	set->options = *options;
	if (!options->retry_ns)
		set->options.retry_ns = RETRY_DEFAULT_NS;
	if (!options->timeout_ns)
		set->options.timeout_ns = TIMEOUT_DEFAULT_NS;
	if (!options->alert_ns)
		set->options.alert_ns = ALERT_DEFAULT_NS;
	if (!options->spool_ns)
		set->options.spool_ns = SPOOL_DEFAULT_NS;
	if (!options->spool_bytes)
		set->options.spool_bytes = SPOOL_DEFAULT;
	set->spool_path = strdup(options->spool_path);
	if (options->web_url)
		set->web_url = strdup(options->web_url);
	return set->spool_path && (set->web_url || !options->web_url) ? 0 : -ENOMEM;
}

int send_new(struct loop *loop, const struct send_options *options, struct sender_set **ret_set)
{
	_cleanup_(send_freep) struct sender_set *set = calloc(1, sizeof(*set));
	int err;

	if (!set)
		return -ENOMEM;
	err = copy_options(options, set);
	if (!err)
		err = loop_new(&set->loop);
	if (!err)
		err = http_client_new(set->loop, &set->client);
	if (!err)
		err = loop_add_fd(loop, loop_fd(set->loop), EPOLLIN, turn, set);
	if (err)
		return err;
	set->outer = loop;
	*ret_set = no_free_ptr(set);
	return 0;
}

static int new_lane(const struct sender_set *set, const char *kind, const char *url,
		    struct lane **ret)
{
	struct lane_options options = {
		.kind = kind,
		.url = url,
		.retry_ns = set->options.retry_ns,
		.timeout_ns = set->options.timeout_ns,
	};

	return lane_new(set->loop, set->client, &options, ret);
}

static int new_webhook(const struct sender_set *set, const char *url, const char *secret,
		       struct webhook **ret)
{
	_cleanup_(lane_freep) struct lane *lane = NULL;
	int err = new_lane(set, "webhook", url, &lane);

	if (!err)
		err = webhook_new(lane, secret, false, ret);
	if (!err)
		lane = NULL;
	return err;
}

static int new_pyroscope(const struct sender_set *set, const char *url, struct webhook **ret)
{
	_cleanup_(lane_freep) struct lane *lane = NULL;
	_cleanup_(strbuf_done) struct strbuf base = STRBUF_INIT;
	size_t length = strlen(url);
	int err;

	while (length && url[length - 1] == '/')
		length--;
	strbuf_add(&base, url, length);
	err = base.failed ? -ENOMEM : new_lane(set, "pyroscope", base.buf, &lane);
	if (!err)
		err = webhook_new(lane, NULL, true, ret);
	if (!err)
		lane = NULL;
	return err;
}

static int new_manager(const struct sender_set *set, const char *url, struct alertmanager **ret)
{
	_cleanup_(lane_freep) struct lane *lane = NULL;
	int err = new_lane(set, "alertmanager", url, &lane);

	if (!err)
		err = alertmanager_new(lane, set->options.alert_ns, ret);
	if (!err)
		lane = NULL;
	return err;
}

static int new_clickhouse(const struct sender_set *set, const char *url, struct spool *spool,
			  struct clickhouse **ret)
{
	_cleanup_(lane_freep) struct lane *lane = NULL;
	int err = new_lane(set, "clickhouse", url, &lane);

	if (!err)
		err = clickhouse_new(lane, spool, ret);
	if (!err)
		lane = NULL;
	return err;
}

/* The receivers of `from` that `keep` has not. */
static void free_others(struct receivers *from, const struct receivers *keep)
{
	for (size_t i = 0; i < from->webhooks.count; i++) {
		bool kept = false;

		for (size_t j = 0; keep && j < keep->webhooks.count; j++)
			kept |= keep->webhooks.items[j] == from->webhooks.items[i];
		if (!kept)
			webhook_free(from->webhooks.items[i]);
	}
	for (size_t i = 0; i < from->managers.count; i++) {
		bool kept = false;

		for (size_t j = 0; keep && j < keep->managers.count; j++)
			kept |= keep->managers.items[j] == from->managers.items[i];
		if (!kept)
			alertmanager_free(from->managers.items[i]);
	}
	if (!keep || keep->pyroscope != from->pyroscope)
		webhook_free(from->pyroscope);
	if (!keep || keep->fleet != from->fleet)
		fleet_free(from->fleet);
	vec_done(&from->webhooks);
	vec_done(&from->managers);
}

static bool contains(const struct webhook_vec *webhooks, const struct webhook *webhook)
{
	for (size_t i = 0; i < webhooks->count; i++) {
		if (webhooks->items[i] == webhook)
			return true;
	}
	return false;
}

static int plan_webhooks(const struct sender_set *set, const struct alert_webhook_vec *rules,
			 struct webhook_vec *to)
{
	const struct webhook_vec *old = &set->now.webhooks;
	int err = vec_reserve(to, rules->count);

	for (size_t i = 0; !err && i < rules->count; i++) {
		const struct alert_webhook *rule = &rules->items[i];
		struct webhook *webhook = NULL;

		for (size_t j = 0; !webhook && j < old->count; j++) {
			if (webhook_is(old->items[j], rule->url, rule->secret) &&
			    !contains(to, old->items[j]))
				webhook = old->items[j];
		}
		if (!webhook)
			err = new_webhook(set, rule->url, rule->secret, &webhook);
		if (!err)
			vec_push(to, webhook);
	}
	return err;
}

static int plan_managers(const struct sender_set *set, const struct alert_manager_vec *rules,
			 struct manager_vec *to)
{
	const struct manager_vec *old = &set->now.managers;
	int err = vec_reserve(to, rules->count);

	for (size_t i = 0; !err && i < rules->count; i++) {
		const char *url = rules->items[i].url;
		struct alertmanager *manager = NULL;

		for (size_t j = 0; !manager && j < old->count; j++) {
			bool taken = false;

			for (size_t k = 0; k < to->count; k++)
				taken |= to->items[k] == old->items[j];
			if (!taken && !strcmp(lane_url(alertmanager_lane(old->items[j])), url))
				manager = old->items[j];
		}
		if (!manager)
			err = new_manager(set, url, &manager);
		if (!err)
			vec_push(to, manager);
	}
	return err;
}

static int plan_pyroscope(const struct sender_set *set, const char *url, struct receivers *to)
{
	struct webhook *old = set->now.pyroscope;
	size_t length;

	if (!url)
		return 0;
	if (old) {
		length = strlen(lane_url(webhook_lane(old)));
		if (!strncmp(lane_url(webhook_lane(old)), url, length) &&
		    strspn(url + length, "/") == strlen(url + length)) {
			to->pyroscope = old;
			return 0;
		}
	}
	return new_pyroscope(set, url, &to->pyroscope);
}

static int spool_error(struct hf_error *err, int errnum, const char *path)
{
	error_set_errno(err, HF_E_CANTWRITE, errnum, "cannot use %s for what waits for ClickHouse",
			path);
	error_why(err, "%s", errnum == EBUSY ? "another agent uses it" : strerrordesc_np(errnum));
	return error_fix(err, "let `store` name a folder that this agent alone may write");
}

static int new_fleet(struct sender_set *set, struct fleet **ret, struct hf_error *err)
{
	_cleanup_(spool_closep) struct spool *spool = NULL;
	struct spool_limits limits = {set->options.spool_bytes, set->options.spool_ns};
	int result = spool_open(set->spool_path, &limits, &spool);

	if (result)
		return spool_error(err, -result, set->spool_path);
	result = fleet_new(set->loop, spool, &set->identity, ret);
	if (!result)
		spool = NULL;
	return result;
}

/* The fleet's rows and spool stay when its ClickHouse moves; *ret_receiver is a new one, NULL where the old one stays. */
static int plan_fleet(struct sender_set *set, const char *url, struct receivers *to,
		      struct clickhouse **ret_receiver, struct hf_error *err)
{
	struct clickhouse *old = NULL;
	int result = 0;

	if (!url)
		return 0;
	to->fleet = set->now.fleet;
	if (!to->fleet)
		result = new_fleet(set, &to->fleet, err);
	else
		old = fleet_receiver(to->fleet);
	if (!result && (!old || strcmp(lane_url(clickhouse_lane(old)), url)))
		result = new_clickhouse(set, url, fleet_spool(to->fleet), ret_receiver);
	return result;
}

/* What fires is news to a new Alertmanager only: one that is known keeps its own list. */
static void tell_new_managers(const struct sender_set *set, const struct manager_vec *old)
{
	for (size_t i = 0; i < set->now.managers.count; i++) {
		bool known = false;

		for (size_t j = 0; j < old->count; j++)
			known |= old->items[j] == set->now.managers.items[i];
		for (size_t j = 0; !known && j < set->firing.count; j++)
			alertmanager_add(set->now.managers.items[i], set->firing.items[j]);
	}
}

static void put_in_force(struct sender_set *set, struct receivers *planned,
			 struct fleet_rule *identity, struct clickhouse *clickhouse)
{
	struct receivers old = set->now;

	identity_done(&set->identity);
	set->identity = *identity;
	set->now = *planned;
	tell_new_managers(set, &old.managers);
	if (set->now.fleet) {
		if (clickhouse)
			fleet_set_receiver(set->now.fleet, clickhouse);
		if (fleet_set_interval(set->now.fleet))
			log_warn("the fleet's interval stays as it was");
	}
	free_others(&old, &set->now);
}

int send_configure(struct sender_set *set, const struct agent_config *config, struct hf_error *err)
{
	const struct fleet_rule *fleet = &config->fleet;
	struct fleet_rule identity = {0};
	struct receivers planned = {0};
	struct clickhouse *clickhouse = NULL;
	int result = identity_copy(fleet, &identity);

	if (!result)
		result = plan_webhooks(set, &config->alerts.webhooks, &planned.webhooks);
	if (!result)
		result = plan_managers(set, &config->alerts.managers, &planned.managers);
	if (!result)
		result = plan_pyroscope(set, fleet->pyroscope, &planned);
	if (!result)
		result = plan_fleet(set, fleet->clickhouse, &planned, &clickhouse, err);
	if (result) {
		clickhouse_free(clickhouse);
		free_others(&planned, &set->now);
		identity_done(&identity);
		if (!error_is_set(err))
			error_set_errno(err, HF_E_INTERNAL, -result, "cannot make the senders");
		return result;
	}
	put_in_force(set, &planned, &identity, clickhouse);
	return 0;
}

/* Calls `fn` for every lane, in the configuration's order, until it returns true. */
static bool each_lane(const struct sender_set *set, bool (*fn)(struct lane *lane, void *user),
		      void *user)
{
	const struct receivers *now = &set->now;

	for (size_t i = 0; i < now->webhooks.count; i++) {
		if (fn(webhook_lane(now->webhooks.items[i]), user))
			return true;
	}
	for (size_t i = 0; i < now->managers.count; i++) {
		if (fn(alertmanager_lane(now->managers.items[i]), user))
			return true;
	}
	if (now->fleet && fn(clickhouse_lane(fleet_receiver(now->fleet)), user))
		return true;
	return now->pyroscope && fn(webhook_lane(now->pyroscope), user);
}

static bool hurry(struct lane *lane, void *user)
{
	(void)user;
	lane_hurry(lane);
	return false;
}

static bool is_busy(struct lane *lane, void *user)
{
	(void)user;
	return lane_busy(lane);
}

/* A lane that is not busy after lane_hurry() has nothing to send, or has failed. */
static void flush(struct sender_set *set)
{
	uint64_t end = clock_now_ns() + FLUSH_NS, now = 0;

	if (set->now.fleet)
		fleet_flush(set->now.fleet);
	each_lane(set, hurry, NULL);
	while (each_lane(set, is_busy, NULL) && (now = clock_now_ns()) < end) {
		uint64_t slice = end - now < 20 * NS_PER_MS ? end - now : 20 * NS_PER_MS;

		if (loop_run_for(set->loop, slice) != -ETIME)
			break;
	}
}

void send_free(struct sender_set *set)
{
	if (!set)
		return;
	if (set->outer) {
		loop_remove(set->outer, loop_fd(set->loop));
		flush(set);
	}
	free_others(&set->now, NULL);
	for (size_t i = 0; i < set->firing.count; i++)
		alert_release(set->firing.items[i]);
	vec_done(&set->firing);
	identity_done(&set->identity);
	http_client_free(set->client);
	loop_free(set->loop);
	free(set->spool_path);
	free(set->web_url);
	free(set);
}

void send_event(struct sender_set *set, const struct send_event *event)
{
	_cleanup_(message_releasep) struct message *message = NULL;

	event_log_write(event);
	if (!set->now.webhooks.count)
		return;
	message = message_new(event->name, event->json, event->json_size);
	for (size_t i = 0; i < set->now.webhooks.count; i++) {
		if (message)
			webhook_add(set->now.webhooks.items[i], message);
		else
			lane_count_dropped(webhook_lane(set->now.webhooks.items[i]), 1);
	}
}

static void forget_firing(struct sender_set *set, size_t i)
{
	alert_release(set->firing.items[i]);
	set->firing.count--;
	memmove(set->firing.items + i, set->firing.items + i + 1,
		(set->firing.count - i) * sizeof(set->firing.items[0]));
}

/* The list of what fires, for Alertmanagers to come. */
static void note_firing(struct sender_set *set, struct alert *alert)
{
	for (size_t i = 0; i < set->firing.count; i++) {
		if (alert_is_same(set->firing.items[i], alert)) {
			forget_firing(set, i);
			break;
		}
	}
	if (alert->ends_ns)
		return;
	if (set->firing.count >= SEND_QUEUE_COUNT)
		forget_firing(set, 0);
	if (!vec_push(&set->firing, alert))
		alert->users++;
}

void send_alert(struct sender_set *set, const struct send_alert *alert)
{
	const struct alert_origin origin = {
		.service = set->identity.service,
		.host = set->identity.host,
		.web_url = set->web_url,
		.labels = &set->identity.labels,
	};
	_cleanup_(alert_releasep) struct alert *made = alert_new(alert, &origin);

	if (made)
		note_firing(set, made);
	for (size_t i = 0; i < set->now.managers.count; i++) {
		if (made)
			alertmanager_add(set->now.managers.items[i], made);
		else
			lane_count_dropped(alertmanager_lane(set->now.managers.items[i]), 1);
	}
}

void send_add_sample(struct sender_set *set, const struct send_target *target,
		     const struct send_sample *sample)
{
	if (set->now.fleet)
		fleet_add_sample(set->now.fleet, target, sample);
}

void send_add_sites(struct sender_set *set, const struct send_target *target, uint64_t time_ns,
		    const struct send_site *sites, size_t count)
{
	if (set->now.fleet)
		fleet_add_sites(set->now.fleet, target, time_ns, sites, count);
}

/* In a name of Pyroscope's, braces, commas and equals signs have a meaning; percent-encoded for the URL, too. */
static void add_label_text(struct strbuf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~", *p);

		if (strchr("{},= \"", *p))
			strbuf_addch(out, '_');
		else if (plain)
			strbuf_addch(out, (char)*p);
		else
			strbuf_addf(out, "%%%02X", *p);
	}
}

static void add_label(struct strbuf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	if (out->len > 3 && strcmp(out->buf + out->len - 3, "%7B") != 0)
		strbuf_addstr(out, "%2C");
	add_label_text(out, name);
	strbuf_addstr(out, "%3D");
	add_label_text(out, value);
}

static int compose_ingest(const struct fleet_rule *identity, const struct send_target *target,
			  const struct send_profile *profile, struct strbuf *out)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", target->pid);
	strbuf_addstr(out, "/ingest?name=");
	add_label_text(out, identity_service(identity, target));
	strbuf_addstr(out, "%7B");
	add_label(out, "host", identity->host);
	add_label(out, "pid", pid);
	add_label(out, "version", identity_version(identity, target));
	for (size_t i = 0; i < identity->labels.count; i++)
		add_label(out, identity->labels.items[i].name, identity->labels.items[i].value);
	return strbuf_addf(out, "%%7D&from=%llu&until=%llu&format=pprof&spyName=holdfast",
			   (unsigned long long)(profile->from_ns / NS_PER_S),
			   (unsigned long long)(profile->until_ns / NS_PER_S));
}

void send_profile(struct sender_set *set, const struct send_target *target,
		  const struct send_profile *profile)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	_cleanup_(message_releasep) struct message *message = NULL;

	if (!set->now.pyroscope)
		return;
	if (!compose_ingest(&set->identity, target, profile, &name))
		message = message_new(name.buf, profile->bytes, profile->size);
	if (message)
		webhook_add(set->now.pyroscope, message);
	else
		lane_count_dropped(webhook_lane(set->now.pyroscope), 1);
}

static bool count_one(struct lane *lane, void *user)
{
	(void)lane;
	(*(size_t *)user)++;
	return false;
}

size_t send_receiver_count(const struct sender_set *set)
{
	size_t count = 0;

	each_lane(set, count_one, &count);
	return count;
}

struct nth {
	size_t left;
	struct send_stats *ret;
};

static bool tell_nth(struct lane *lane, void *user)
{
	struct nth *nth = user;

	if (nth->left--)
		return false;
	lane_stats(lane, nth->ret);
	return true;
}

void send_stats(const struct sender_set *set, size_t index, struct send_stats *ret)
{
	struct nth nth = {index, ret};

	each_lane(set, tell_nth, &nth);
}
