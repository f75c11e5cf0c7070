// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * USDTs: the notes of this program itself, and texts of arguments. What this cannot find: notes as other tools than
 * sys/sdt.h write them.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "process/elf/usdt.h"

static unsigned short semaphore __attribute__((section(".probes"), used));

__attribute__((noinline)) static void reach(void *block)
{
	__asm__ volatile("990: nop\n"
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"
			 ".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"
			 "991: .asciz \"stapsdt\"\n992: .balign 4\n"
			 "993: .8byte 990b, _.stapsdt.base, %c1\n"
			 ".asciz \"mine\"\n.asciz \"reached\"\n.asciz \"8@%0 -2@$-7\"\n"
			 "994: .balign 4\n.popsection\n"
			 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
			 ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"
			 "_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n"
			 :
			 : "r"(block), "i"(&semaphore)
			 : "memory");
}

struct seen {
	const struct elf_file *file;
	unsigned int count;
};

static int look(const struct usdt_probe *probe, void *user)
{
	struct seen *seen = user;
	struct usdt_argument argument;
	const uint8_t *code;

	if (strcmp(probe->provider, "mine"))
		return 0;
	seen->count++;
	assert_string_equal(probe->name, "reached");
	code = elf_file_image(seen->file, probe->address, 1);
	assert_non_null(code);
	assert_int_equal(*code, 0x90);
	assert_int_not_equal(probe->semaphore, 0);
	assert_int_equal(usdt_argument_parse(probe->arguments, 0, &argument), 0);
	assert_int_equal(argument.kind, USDT_REGISTER);
	assert_int_equal(usdt_argument_parse(probe->arguments, 1, &argument), 0);
	assert_int_equal(argument.value, -7);
	return 5;
}

static void the_programs_own_probe_is_found(void **state)
{
	struct seen seen = {0};
	struct elf_file *file;

	(void)state;
	reach(&seen);
	assert_int_equal(elf_file_open_path("/proc/self/exe", &file), 0);
	seen.file = file;
	assert_int_equal(usdt_for_each(file, look, &seen), 5);
	assert_int_equal(seen.count, 1);
	elf_file_free(file);
}

static struct usdt_argument parsed(const char *text, unsigned int index)
{
	struct usdt_argument argument;

	if (usdt_argument_parse(text, index, &argument))
		fail_msg("'%s' was not understood", text);
	return argument;
}

static void assert_argument(struct usdt_argument a, enum usdt_kind kind, int size, int64_t value)
{
	assert_int_equal(a.kind, kind);
	assert_int_equal(a.size, size);
	assert_int_equal(a.value, value);
}

static void every_kind_of_argument_is_understood(void **state)
{
	static const char text[] =
		"8@%rdi -4@-20(%rbp) 8@$16 4@%r12d 1@%al 2@(%r8,%rcx,4) -1@$-3 8@0x10(,%rax,8)";
	struct usdt_argument a;

	(void)state;
	a = parsed(text, 0);
	assert_argument(a, USDT_REGISTER, 8, 0);
	assert_int_equal(a.reg, 7);
	a = parsed(text, 1);
	assert_argument(a, USDT_MEMORY, -4, -20);
	assert_int_equal(a.reg, 5);
	assert_int_equal(a.index, USDT_NO_REGISTER);
	assert_argument(parsed(text, 2), USDT_CONSTANT, 8, 16);
	a = parsed(text, 3);
	assert_argument(a, USDT_REGISTER, 4, 0);
	assert_int_equal(a.reg, 12);
	assert_int_equal(parsed(text, 4).reg, 0);
	a = parsed(text, 5);
	assert_argument(a, USDT_MEMORY, 2, 0);
	assert_int_equal(a.reg, 8);
	assert_int_equal(a.index, 1);
	assert_int_equal(a.scale, 4);
	assert_argument(parsed(text, 6), USDT_CONSTANT, -1, -3);
	a = parsed(text, 7);
	assert_argument(a, USDT_MEMORY, 8, 16);
	assert_int_equal(a.reg, USDT_NO_REGISTER);
	assert_int_equal(a.scale, 8);
	assert_int_equal(usdt_argument_parse(text, 8, &a), -ENOENT);
	assert_int_equal(usdt_argument_parse("", 0, &a), -ENOENT);
	assert_int_equal(parsed("%rbx", 0).reg, 3);
}

static void what_is_not_understood_is_refused(void **state)
{
	static const char *const texts[] = {
		"8@%xmm0",
		"3@%rdi",
		"8@counter(%rip)",
		"8@(%rax,%rbx,3)",
		"8@(",
		"8@%r16",
		"8@%r1",
		"8@%rdi,%rsi",
		"8@",
		"@%rdi",
		"8@5",
		"8@$",
		"8@%r8x",
		"8@$99999999999999999999",
		"8@(,)",
		"8@()",
		"8@%rdirdi",
		"8@%",
	};
	struct usdt_argument a;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (usdt_argument_parse(texts[i], 0, &a) != -EINVAL)
			fail_msg("'%s' was understood", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_programs_own_probe_is_found),
		cmocka_unit_test(every_kind_of_argument_is_understood),
		cmocka_unit_test(what_is_not_understood_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
