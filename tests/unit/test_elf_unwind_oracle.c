/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of real binaries, held against libdw, which reads the same .eh_frame with other code. What it cannot
 * find: an error in the .eh_frame itself, or a misreading that both share.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/elf/elf_file.h"
#include "process/elf/unwind_table.h"

#define SAMPLES           10000
#define FDES_OF_A_PROGRAM 50

/* What libdw says, in the form of a rule. */
static struct hf_unwind_rule rule_of_cfa(const Dwarf_Op *op, size_t count)
{
	struct hf_unwind_rule rule = {.cfa_kind = HF_CFA_UNSUPPORTED};
	const bool base = count && (op[0].atom == DW_OP_bregx || op[0].atom == DW_OP_breg6 ||
				    op[0].atom == DW_OP_breg7);
	uint64_t reg;
	int64_t offset;

	if (!base)
		return rule;
	reg = op[0].atom == DW_OP_bregx ? op[0].number : (uint64_t)op[0].atom - DW_OP_breg0;
	offset = (int64_t)(op[0].atom == DW_OP_bregx ? op[0].number2 : op[0].number);
	if (reg != 6 && reg != 7)
		return rule;
	rule.cfa_offset = (int32_t)offset;
	if (count == 1)
		rule.cfa_kind = reg == 6 ? HF_CFA_BP : HF_CFA_SP;
	else if (count == 2 && op[1].atom == DW_OP_deref)
		rule.cfa_kind = reg == 6 ? HF_CFA_DEREF_BP : HF_CFA_DEREF_SP;
	else if (count == 9 && op[1].atom == DW_OP_breg16 && op[5].atom == DW_OP_ge) {
		rule.cfa_kind = HF_CFA_PLT;
		rule.cfa_offset = op[4].atom - DW_OP_lit0;
	} else {
		rule = (struct hf_unwind_rule){.cfa_kind = HF_CFA_UNSUPPORTED};
	}
	return rule;
}

/* Is the register at *(cfa + *ret)? */
static bool at_cfa(const Dwarf_Op *ops, size_t count, int64_t *ret)
{
	if (count == 0 || ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	*ret = 0;
	if (count == 1)
		return true;
	if (count != 2 || ops[1].atom != DW_OP_plus_uconst)
		return false;
	*ret = (int64_t)ops[1].number;
	return true;
}

static void set_rbp(Dwarf_Frame *frame, struct hf_unwind_rule *rule)
{
	Dwarf_Op memory[3], *ops;
	size_t count;
	int64_t offset;

	assert_int_equal(dwarf_frame_register(frame, 6, memory, &ops, &count), 0);
	if (count == 0) {
		rule->bp_kind = ops == memory ? HF_BP_UNDEFINED : HF_BP_SAME;
	} else if (at_cfa(ops, count, &offset) && offset >= INT16_MIN && offset <= INT16_MAX) {
		rule->bp_kind = HF_BP_CFA;
		rule->bp_offset = (int16_t)offset;
	} else if (count == 2 && ops[0].atom == DW_OP_call_frame_cfa &&
		   ops[1].atom == DW_OP_breg6) {
		/* An expression starts with the CFA on the stack; this one does not use it. */
		rule->bp_kind = HF_BP_BP;
		rule->bp_offset = (int16_t)ops[1].number;
	} else {
		rule->bp_kind = HF_BP_UNDEFINED;
	}
}

static struct hf_unwind_rule rule_of_frame(Dwarf_Frame *frame)
{
	struct hf_unwind_rule rule = {.cfa_kind = HF_CFA_UNSUPPORTED};
	Dwarf_Op memory[3], *ops, *ra;
	size_t count, ra_count;
	int64_t offset;
	bool signal;

	dwarf_frame_info(frame, NULL, NULL, &signal);
	if (signal)
		return (struct hf_unwind_rule){.cfa_kind = HF_CFA_SIGNAL};
	assert_int_equal(dwarf_frame_register(frame, 16, memory, &ra, &ra_count), 0);
	if (ra_count == 0)
		return (struct hf_unwind_rule){.cfa_kind = ra == memory ? HF_CFA_STOP
									: HF_CFA_UNSUPPORTED};
	if (!at_cfa(ra, ra_count, &offset) || offset != -8)
		return rule;
	if (dwarf_frame_cfa(frame, &ops, &count) != 0)
		return rule;
	rule = rule_of_cfa(ops, count);
	if (rule.cfa_kind != HF_CFA_UNSUPPORTED)
		set_rbp(frame, &rule);
	return rule;
}

struct tally {
	unsigned compared, agreed, without_row, unsupported;
};

static void compare_at(Dwarf_CFI *cfi, const struct unwind_table *table,
		       const struct unwind_rules *rules, uint64_t address, struct tally *tally)
{
	const struct hf_unwind_rule *ours =
		unwind_rules_at(rules, unwind_table_find(table, address));
	struct hf_unwind_rule theirs = {.cfa_kind = HF_CFA_NONE};
	Dwarf_Frame *frame = NULL;

	if (dwarf_cfi_addrframe(cfi, address, &frame) == 0)
		theirs = rule_of_frame(frame);
	free(frame);
	tally->compared++;
	tally->without_row += theirs.cfa_kind == HF_CFA_NONE;
	tally->unsupported += theirs.cfa_kind == HF_CFA_UNSUPPORTED;
	if (memcmp(ours, &theirs, sizeof(theirs)) == 0)
		tally->agreed++;
	else if (tally->compared - tally->agreed < 10)
		print_message("at %#llx: ours %d %d %d %d, libdw %d %d %d %d\n",
			      (unsigned long long)address, ours->cfa_kind, ours->cfa_offset,
			      ours->bp_kind, ours->bp_offset, theirs.cfa_kind, theirs.cfa_offset,
			      theirs.bp_kind, theirs.bp_offset);
}

/* A fixed sequence, so that a failure can be repeated. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

/* Half of the samples anywhere in executable segments, half at rows and just before them, where errors by
 * one would show. */
static uint64_t pick_address(const struct elf_file *file, const struct unwind_table *table,
			     uint64_t *state)
{
	uint64_t bytes = 0, pick;

	if (next_random(state) & 1) {
		uint32_t row = (uint32_t)(next_random(state) % table->row_count), page = 0;

		while (table->page_index[page + 1] <= row)
			page++;
		return ((uint64_t)page << 16 | table->rows[row].pc_low) - (next_random(state) & 1);
	}
	for (size_t i = 0; i < elf_file_segment_count(file); i++)
		if (elf_file_segment(file, i)->executable)
			bytes += elf_file_segment(file, i)->memory_bytes;
	pick = next_random(state) % bytes;
	for (size_t i = 0; i < elf_file_segment_count(file); i++) {
		const struct elf_segment *segment = elf_file_segment(file, i);

		if (!segment->executable)
			continue;
		if (pick < segment->memory_bytes)
			return segment->address + pick;
		pick -= segment->memory_bytes;
	}
	return 0;
}

static double milliseconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)(now.tv_sec - then->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e6;
}

static void compare_binary(const char *path)
{
	struct unwind_rules *rules;
	struct unwind_table table;
	struct elf_section section;
	struct elf_file *file;
	struct tally tally = {0};
	struct timespec start;
	uint64_t state = 1;
	Dwarf_CFI *cfi;
	double ms;
	Elf *elf;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	cfi = dwarf_getcfi_elf(elf);
	assert_non_null(cfi);
	assert_int_equal(unwind_rules_new(&rules), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	assert_int_equal(elf_file_section(file, ".eh_frame", &section), 0);
	assert_int_equal(unwind_table_init_bytes(&table, section.data, section.size,
						 section.address, rules),
			 0);
	ms = milliseconds_since(&start);

	for (int i = 0; i < SAMPLES; i++)
		compare_at(cfi, &table, rules, pick_address(file, &table, &state), &tally);
	print_message("# %s: %u of %u agree (%u without row, %u unsupported); %u FDEs, %u rows, "
		      "%zu rules, %u unsupported rows, %u damaged, %.1f ms\n",
		      path, tally.agreed, tally.compared, tally.without_row, tally.unsupported,
		      table.fde_count, table.row_count, unwind_rules_count(rules),
		      table.unsupported_rows, table.damaged_entries, ms);
	assert_int_equal(tally.agreed, tally.compared);
	/* Debian's node is a launcher: all but the linker's own code is in its library. */
	if (table.fde_count >= FDES_OF_A_PROGRAM)
		assert_true(tally.without_row + tally.unsupported < tally.compared / 2);

	unwind_table_done(&table);
	elf_file_free(file);
	unwind_rules_free(rules);
	dwarf_cfi_end(cfi);
	elf_end(elf);
	close(fd);
}

static void compare_or_skip(const char *path)
{
	if (access(path, R_OK) != 0)
		skip_because("no %s here", path);
	compare_binary(path);
}

static void own_program_agrees_with_libdw(void **state)
{
	(void)state;
	compare_binary("/proc/self/exe");
}

#define BINARIES(X)                                              \
	X(libc, "/lib/x86_64-linux-gnu/libc.so.6")               \
	X(loader, "/lib64/ld-linux-x86-64.so.2")                 \
	X(libstdcxx, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6") \
	X(libcrypto, "/usr/lib/x86_64-linux-gnu/libcrypto.so.3") \
	X(python, "/usr/bin/python3.11")                         \
	X(redis, "/usr/bin/redis-server")                        \
	X(nginx, "/usr/sbin/nginx")                              \
	X(llvm, "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1")     \
	X(node, "/usr/bin/node")

#define X(name, path)                                      \
	static void name##_agrees_with_libdw(void **state) \
	{                                                  \
		(void)state;                               \
		compare_or_skip(path);                     \
	}
BINARIES(X)
#undef X

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(own_program_agrees_with_libdw),
#define X(name, path) cmocka_unit_test(name##_agrees_with_libdw),
					   BINARIES(X)
#undef X
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
