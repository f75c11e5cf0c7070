// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/budget/cost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

#define FORMAT  "holdfast-costs 1"
#define DRIFT   1.6 /* a system call that takes so many times as long, or as short */
#define COUNTED (sizeof(fields) / sizeof(fields[0]))

static const struct {
	const char *name;
	size_t offset;
	double value;
} fields[] = {
#define PROBE_COSTS_ENTRY(field, value) {#field, offsetof(struct probe_costs, field), value},
	PROBE_COSTS(PROBE_COSTS_ENTRY)
#undef PROBE_COSTS_ENTRY
};

static double *field_at(struct probe_costs *costs, size_t index)
{
	return (double *)((char *)costs + fields[index].offset);
}

static double value_at(const struct probe_costs *costs, size_t index)
{
	return *(const double *)((const char *)costs + fields[index].offset);
}

void cost_defaults(struct probe_costs *ret)
{
	*ret = (struct probe_costs){0};
	for (size_t i = 0; i < COUNTED; i++)
		*field_at(ret, i) = fields[i].value;
}

int cost_add_text(struct strbuf *sb, const struct probe_costs *costs, uint64_t machine)
{
	strbuf_addf(sb, "%s\nmachine=%llu\nmeasured_at_s=%llu\n", FORMAT,
		    (unsigned long long)machine, (unsigned long long)costs->measured_at_s);
	for (size_t i = 0; i < COUNTED; i++)
		strbuf_addf(sb, "%s=%.0f\n", fields[i].name, value_at(costs, i));
	return sb->failed ? -ENOMEM : 0;
}

/* The next line "NAME=NUMBER" of the text; the order is fixed. */
static int take_number(char **rest, const char *name, uint64_t *ret)
{
	char *line = strsep(rest, "\n");
	size_t length = strlen(name);

	if (!line || strncmp(line, name, length) != 0 || line[length] != '=')
		return -EINVAL;
	return units_parse_u64(line + length + 1, ret) ? -EINVAL : 0;
}

static int take_fields(char **rest, struct probe_costs *ret)
{
	uint64_t number;

	for (size_t i = 0; i < COUNTED; i++) {
		if (take_number(rest, fields[i].name, &number) || (double)number > COST_MAX_NS)
			return -EINVAL;
		*field_at(ret, i) = (double)number;
	}
	return *rest && !**rest ? 0 : -EINVAL;
}

int cost_parse(const char *text, size_t size, uint64_t machine, struct probe_costs *ret)
{
	_cleanup_free_ char *copy = strndup(text, size);
	struct probe_costs costs = {.measured = true};
	char *rest = copy, *line;
	uint64_t found;

	if (!copy)
		return -ENOMEM;
	line = strsep(&rest, "\n");
	if (strlen(copy) + (rest ? strlen(rest) + 1 : 0) != size || strcmp(line, FORMAT) != 0 ||
	    take_number(&rest, "machine", &found) ||
	    take_number(&rest, "measured_at_s", &costs.measured_at_s) || take_fields(&rest, &costs))
		return -EINVAL;
	/* A trap into the kernel that costs nothing was not measured. */
	if (costs.emulated_ns < 1 || costs.session_ns < 1 || costs.bare_syscall_ns < 1)
		return -EINVAL;
	if (found != machine)
		return -ESTALE;
	*ret = costs;
	return 0;
}

bool cost_still_holds(const struct probe_costs *costs, double bare_syscall_ns)
{
	return bare_syscall_ns < costs->bare_syscall_ns * DRIFT &&
	       bare_syscall_ns * DRIFT > costs->bare_syscall_ns;
}

static double trap_at(const struct probe_costs *costs, enum cost_place place)
{
	if (place == COST_STEPPED)
		return costs->stepped_ns;
	return place == COST_NOP5 ? costs->nop5_ns : costs->emulated_ns;
}

double cost_of_entry(const struct probe_costs *costs, enum cost_place place)
{
	return COST_IN_COMPANY * trap_at(costs, place);
}

double cost_of_call(const struct probe_costs *costs, enum cost_place place, bool session)
{
	double whole = session ? costs->session_ns : costs->return_ns;
	double ns = whole - costs->emulated_ns + trap_at(costs, place);

	return COST_IN_COMPANY * (ns > 0 ? ns : whole);
}

double cost_of_hits(const struct probe_costs *costs, const struct cost_hits *hits,
		    double call_trap_ns, double entry_trap_ns)
{
	double program_ns = (double)hits->program_ns - (double)hits->runs * costs->count_bias_ns;

	return hits->calls * call_trap_ns + hits->entries * entry_trap_ns +
	       hits->steps * cost_of_entry(costs, COST_STEPPED) + (program_ns > 0 ? program_ns : 0);
}
