// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/alert.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"

static void add_member(struct strbuf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	strbuf_addstr(out, out->len > 1 ? "," : "");
	json_text_add(out, name);
	strbuf_addch(out, ':');
	json_text_add(out, value);
}

/* A label's name is of [a-zA-Z0-9_] (Prometheus' data model); one of ours stays ours. */
static void add_foreign_label(struct strbuf *out, const struct fleet_label *label)
{
	static const char ours[] = " alertname severity target component leak pid service host ";
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf word = STRBUF_INIT;

	for (const char *p = label->name; *p; p++) {
		bool digit = *p >= '0' && *p <= '9';
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

		strbuf_addch(&name, letter || (digit && p > label->name) ? *p : '_');
	}
	strbuf_addf(&word, " %s ", name.buf);
	if (!strstr(ours, word.buf))
		add_member(out, name.buf, label->value);
}

static char *make_key(const struct send_alert *from)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	char pid[16] = "";

	if (from->pid)
		snprintf(pid, sizeof(pid), "%d", from->pid);
	strbuf_addch(&out, '{');
	add_member(&out, "alertname", from->name);
	add_member(&out, "severity", send_severity_name(from->severity));
	add_member(&out, "target", from->target);
	add_member(&out, "component", from->component);
	add_member(&out, "leak", from->leak);
	add_member(&out, "pid", pid);
	return strbuf_detach(&out, NULL);
}

static char *make_labels(const char *key, const struct send_alert *from,
			 const struct alert_origin *origin)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	strbuf_addstr(&out, key);
	add_member(&out, "service", origin->service ? origin->service : from->target);
	add_member(&out, "host", origin->host);
	for (size_t i = 0; i < origin->labels->count; i++)
		add_foreign_label(&out, &origin->labels->items[i]);
	strbuf_addch(&out, '}');
	return strbuf_detach(&out, NULL);
}

static char *make_annotations(const struct send_alert *from)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	strbuf_addch(&out, '{');
	add_member(&out, "summary", from->summary);
	add_member(&out, "description", from->description);
	add_member(&out, "line", from->line);
	add_member(&out, "recommendation", from->recommendation);
	strbuf_addch(&out, '}');
	return strbuf_detach(&out, NULL);
}

static int make_link(const struct send_alert *from, const char *web_url, char **ret)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	size_t length;

	if (!web_url)
		return 0;
	length = strlen(web_url);
	while (from->web_path && length && web_url[length - 1] == '/')
		length--;
	strbuf_add(&out, web_url, length);
	strbuf_addstr(&out, from->web_path ? from->web_path : "");
	*ret = strbuf_detach(&out, NULL);
	return *ret ? 0 : -ENOMEM;
}

struct alert *alert_new(const struct send_alert *from, const struct alert_origin *origin)
{
	_cleanup_(alert_releasep) struct alert *alert = calloc(1, sizeof(*alert));

	if (!alert)
		return NULL;
	alert->users = 1;
	alert->starts_ns = from->starts_ns;
	alert->ends_ns = from->ends_ns;
	alert->key = make_key(from);
	alert->labels = alert->key ? make_labels(alert->key, from, origin) : NULL;
	alert->annotations = make_annotations(from);
	if (!alert->labels || !alert->annotations || make_link(from, origin->web_url, &alert->link))
		return NULL;
	return_ptr(alert);
}

void alert_release(struct alert *alert)
{
	if (!alert || --alert->users)
		return;
	free(alert->key);
	free(alert->labels);
	free(alert->annotations);
	free(alert->link);
	free(alert);
}

bool alert_is_same(const struct alert *a, const struct alert *b)
{
	return !strcmp(a->key, b->key);
}

int alert_add_json(struct strbuf *out, const struct alert *alert, uint64_t expires_ns)
{
	strbuf_addf(out, "{\"labels\":%s,\"annotations\":%s,\"startsAt\":\"", alert->labels,
		    alert->annotations);
	clock_add_rfc3339(out, alert->starts_ns);
	strbuf_addstr(out, "\",\"endsAt\":\"");
	clock_add_rfc3339(out, alert->ends_ns ? alert->ends_ns : expires_ns);
	strbuf_addch(out, '"');
	if (alert->link) {
		strbuf_addstr(out, ",\"generatorURL\":");
		json_text_add(out, alert->link);
	}
	return strbuf_addch(out, '}');
}
