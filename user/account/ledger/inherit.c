// SPDX-License-Identifier: GPL-2.0-or-later
/* What a forked child holds from its first instruction on: a copy of its parent's memory. */
#include <errno.h>

#include "account/ledger/ledger.h"
#include "account/ledger/ledger_internal.h"

struct heir {
	struct ledger *child;
	const struct ledger *parent;
};

static int inherit_site(const struct heir *heir, const struct allocation *from, site_id *ret)
{
	const struct call_site *site = ledger_site(heir->parent, from->site);
	struct call_site *own;
	struct site_key key = {site->stack, site->class, site->followed};
	int err = site_table_get(&heir->child->sites, &key, ret);

	if (err)
		return err;
	own = site_table_at(&heir->child->sites, *ret);
	if (!own->allocs && !own->inherited_count)
		own->first_ns = site->first_ns;
	own->inherited_count++;
	own->inherited_bytes += from->size_bytes;
	return 0;
}

static void hold(struct ledger *ledger, site_id site, uint64_t bytes)
{
	site_gain(&ledger->sites, site, bytes, 1);
	ledger_live_add(ledger, bytes, 1);
}

static int inherit_block(const struct allocation *from, void *user)
{
	const struct heir *heir = user;
	uint8_t family = ledger_family(ledger_site(heir->parent, from->site)->class);
	uint64_t tagged = from->address ^ (uint64_t)family << LEDGER_FAMILY_SHIFT;
	struct block block = {.key = block_key(&heir->child->blocks, tagged),
			      .size_bytes = from->size_bytes,
			      .time_ns = from->time_ns};
	struct block old;
	int err = inherit_site(heir, from, &block.site);

	if (!err)
		err = block_table_put(&heir->child->blocks, &block, &old);
	if (err < 0)
		return err;
	hold(heir->child, block.site, from->size_bytes);
	label_inherit(&heir->child->labels, &heir->parent->labels,
		      block_key(&heir->parent->blocks, tagged),
		      (const uint64_t[]){block.key, from->size_bytes}, block.site);
	return 0;
}

static int inherit_range(const struct allocation *from, void *user)
{
	struct heir *heir = user;
	const struct range_set *ranges = &heir->parent->ranges;
	struct range range = *range_set_at(ranges, range_set_seek(ranges, from->address));
	uint32_t labels = range.labels;
	int err = inherit_site(heir, from, &range.site);

	if (!err) {
		range.labels = label_inherit_row(&heir->child->labels, &heir->parent->labels,
						 labels, range.site);
		err = range_set_insert(&heir->child->ranges, &range);
	}
	if (err)
		return err;
	hold(heir->child, range.site, from->size_bytes);
	label_change(&heir->child->labels, range.labels, (int64_t)from->size_bytes, 1);
	return 0;
}

int ledger_inherit(struct ledger *child, const struct ledger *parent)
{
	struct heir heir = {.child = child, .parent = parent};
	int err = ledger_for_each_live(parent, inherit_block, &heir);

	if (!err)
		err = ledger_for_each_mapping(parent, inherit_range, &heir);
	if (err)
		child->counts.refused++;
	return err;
}
