// SPDX-License-Identifier: GPL-2.0-or-later
/* From the accounts' labels to the report's spans. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "account/stack/python_words.h"
#include "capture/probe/spans.h"
#include "session/spans.h"

/* Of one process. */
struct part {
	const struct session *session;
	const struct account *account;
	struct ledger_estimate *estimates; /* NULL: every call is seen */
	struct report_span *spans;         /* by label */
};

static const char *rule_name(const struct session *session, uint64_t word)
{
	uint32_t rule = hf_span_rule_of(word);

	return rule < session->options.spans.count ? session->options.spans.rules[rule].name : "?";
}

static double ratio(double estimated, uint64_t seen)
{
	return seen ? estimated / (double)seen : 0;
}

/* What was seen of a site in windows stands for more; the same for all that was allocated there. */
static void add_row(const struct part *part, const struct ledger_label_row *row,
		    const uint32_t *labels, uint32_t count)
{
	const struct call_site *site = ledger_site(part->account->ledger, row->site);
	const struct ledger_estimate *estimate =
		part->estimates && !site->followed ? &part->estimates[row->site - 1] : NULL;
	double allocs = estimate ? ratio(estimate->allocs, site->allocs) : 1;
	double bytes = estimate ? ratio(estimate->alloc_bytes, site->alloc_bytes) : 1;
	double held = estimate ? ratio(estimate->outstanding_bytes, site->outstanding_bytes) : 1;
	double blocks = estimate ? ratio(estimate->outstanding_count, site->outstanding_count) : 1;

	for (uint32_t i = 0; i < count; i++) {
		struct report_span *span = &part->spans[labels[i]];

		span->allocs += (uint64_t)llround((double)row->allocs * allocs);
		span->alloc_bytes += (uint64_t)llround((double)row->alloc_bytes * bytes);
		span->outstanding_bytes += (uint64_t)llround((double)row->outstanding_bytes * held);
		span->outstanding_count +=
			(uint64_t)llround((double)row->outstanding_count * blocks);
		span->estimated |= estimate != NULL;
	}
}

static int add_spans(const struct part *part, struct report_builder *builder)
{
	const struct ledger *ledger = part->account->ledger;
	int err = 0;

	for (size_t i = 0; !err && i < ledger_label_count(ledger); i++) {
		const struct ledger_label *label = ledger_label(ledger, i);
		struct report_span *span = &part->spans[i];
		_cleanup_(strbuf_done) struct strbuf key = STRBUF_INIT;

		/* What windows saw held at most is a part of it. */
		span->peak_bytes = label->peak_bytes;
		if (span->peak_bytes < span->outstanding_bytes)
			span->peak_bytes = span->outstanding_bytes;
		accounts_span_text(part->session->accounts, label->word, &key);
		span->span = rule_name(part->session, label->word);
		span->key = key.buf ? key.buf : "";
		span->pid = part->account->pid;
		err = key.failed ? -ENOMEM : report_builder_add_span(builder, span);
	}
	return err;
}

static int build_account(const struct session *session, const struct account *account,
			 struct report_builder *builder)
{
	size_t count = ledger_label_count(account->ledger);
	const struct member *member = members_newest(session, account->pid);
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	_cleanup_free_ struct report_span *spans = calloc(count + 1, sizeof(*spans));
	struct part part = {session, account, NULL, spans};
	int err = spans ? 0 : -ENOMEM;

	if (!err && count)
		err = verdict_estimate(account->ledger, member ? &member->look.evidence : NULL,
				       &estimates);
	part.estimates = estimates;
	for (size_t i = 0; !err && count && i < ledger_label_row_count(account->ledger); i++) {
		const uint32_t *labels;
		uint32_t label_count;
		const struct ledger_label_row *row =
			ledger_label_row(account->ledger, i, &labels, &label_count);

		add_row(&part, row, labels, label_count);
	}
	return err ? err : add_spans(&part, builder);
}

/* The rules by which frames of Python in the stack are spans. */
static uint32_t rules_of(const struct session *session, const struct stack_trace *trace)
{
	uint32_t rules = 0;

	for (uint16_t i = 0; trace && session->python_names && i < trace->depth; i++) {
		const struct python_code *code =
			stack_word_is_python(trace->pcs[i])
				? python_names_find(session->python_names, trace, trace->pcs[i])
				: NULL;

		rules |= code ? code->span_rules : 0;
	}
	return rules;
}

/* Allocations in a function of Python before it was known to be a span, or whose spans were lost on the way. */
static uint64_t count_unseen(const struct session *session, const struct account *account)
{
	const struct stack_table *stacks = accounts_stacks(session->accounts);
	uint64_t within = 0, seen = 0;

	for (site_id id = 1; id <= ledger_site_count(account->ledger); id++) {
		const struct call_site *site = ledger_site(account->ledger, id);

		if (!site_is_range(site->class) &&
		    rules_of(session, stack_table_at(stacks, site->stack)))
			within += site->allocs;
	}
	for (size_t i = 0; i < ledger_label_row_count(account->ledger); i++) {
		const uint32_t *labels;
		uint32_t count;
		const struct ledger_label_row *row =
			ledger_label_row(account->ledger, i, &labels, &count);
		const struct call_site *site = ledger_site(account->ledger, row->site);

		if (rules_of(session, stack_table_at(stacks, site->stack)))
			seen += row->allocs;
	}
	return within > seen ? within - seen : 0;
}

static int add_notes(const struct session *session, uint64_t unseen, uint64_t refused,
		     struct report_builder *builder)
{
	uint64_t lost = session->probe ? probe_span_losses(session->probe) : 0;
	int err = 0;

	if (unseen)
		err = report_builder_add_note(
			builder,
			"%lu allocations within spans of Python belong to none: they were made before the "
			"function was known",
			(unsigned long)unseen);
	if (!err && refused)
		err = report_builder_add_note(
			builder, "%lu times there was no memory to keep what span a block is of",
			(unsigned long)refused);
	if (!err && lost)
		err = report_builder_add_note(
			builder, "%lu times more spans were open at once than are kept apart",
			(unsigned long)lost);
	return err;
}

int spans_build(const struct session *session, struct report_builder *builder)
{
	uint64_t unseen = 0, refused = 0;
	int err = 0;

	if (!session->options.spans.count)
		return 0;
	for (size_t i = 0; !err && i < accounts_count(session->accounts); i++) {
		const struct account *account = accounts_at(session->accounts, i);
		struct ledger_counts counts;

		if (account->execed)
			continue;
		err = build_account(session, account, builder);
		ledger_counts(account->ledger, &counts);
		refused += counts.labels_refused;
		unseen += count_unseen(session, account);
	}
	return err ? err : add_notes(session, unseen, refused, builder);
}
