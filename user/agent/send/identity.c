// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/identity.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static int copy_text(const char *from, char **ret)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int copy_labels(const struct fleet_label_vec *from, struct fleet_label_vec *to)
{
	int err = vec_reserve(to, from->count);

	for (size_t i = 0; !err && i < from->count; i++) {
		struct fleet_label label = {0};

		err = copy_text(from->items[i].name, &label.name);
		if (!err)
			err = copy_text(from->items[i].value, &label.value);
		vec_push(to, label); /* there is room; half a one is freed with the rest */
	}
	return err;
}

int identity_copy(const struct fleet_rule *from, struct fleet_rule *ret)
{
	_cleanup_(identity_done) struct fleet_rule copy = {.interval_ns = from->interval_ns};
	char host[HOST_NAME_MAX + 1] = "";
	int err;

	if (gethostname(host, sizeof(host)) < 0)
		host[0] = '\0';
	host[HOST_NAME_MAX] = '\0';
	err = copy_text(from->clickhouse, &copy.clickhouse);
	if (!err)
		err = copy_text(from->pyroscope, &copy.pyroscope);
	if (!err)
		err = copy_text(from->service, &copy.service);
	if (!err)
		err = copy_text(from->version, &copy.version);
	if (!err)
		err = copy_text(from->host ? from->host : host, &copy.host);
	if (!err)
		err = copy_labels(&from->labels, &copy.labels);
	if (err)
		return err;
	*ret = copy;
	copy = (struct fleet_rule){0};
	return 0;
}

void identity_done(struct fleet_rule *identity)
{
	free(identity->clickhouse);
	free(identity->pyroscope);
	free(identity->service);
	free(identity->version);
	free(identity->host);
	for (size_t i = 0; i < identity->labels.count; i++) {
		free(identity->labels.items[i].name);
		free(identity->labels.items[i].value);
	}
	vec_done(&identity->labels);
	*identity = (struct fleet_rule){0};
}

const char *identity_service(const struct fleet_rule *identity, const struct send_target *target)
{
	return identity->service ? identity->service : target->name;
}

const char *identity_version(const struct fleet_rule *identity, const struct send_target *target)
{
	if (target->version)
		return target->version;
	return identity->version ? identity->version : "";
}
