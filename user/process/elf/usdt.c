// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/elf/usdt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3u

/* The three addresses and three texts of a note. */
static bool read_note(const uint8_t *desc, size_t size, uint64_t moved_by, struct usdt_probe *ret)
{
	struct cursor c = cursor_of(desc, size);
	uint64_t base;

	ret->address = cursor_u64(&c);
	base = cursor_u64(&c);
	ret->semaphore = cursor_u64(&c);
	ret->provider = cursor_cstr(&c, NULL);
	ret->name = cursor_cstr(&c, NULL);
	ret->arguments = cursor_cstr(&c, NULL);
	if (moved_by) {
		ret->address += moved_by - base;
		ret->semaphore += ret->semaphore ? moved_by - base : 0;
	}
	return !c.bad;
}

int usdt_for_each(const struct elf_file *file,
		  int (*visit)(const struct usdt_probe *probe, void *user), void *user)
{
	struct elf_section notes, base;
	struct cursor c;
	uint64_t base_now = 0;
	int answer = 0;

	if (elf_file_section(file, ".note.stapsdt", &notes))
		return 0;
	if (!elf_file_section(file, ".stapsdt.base", &base))
		base_now = base.address;
	c = cursor_of(notes.data, notes.size);
	while (!answer && cursor_left(&c) >= 12) {
		uint32_t name_size = cursor_u32(&c), desc_size = cursor_u32(&c),
			 type = cursor_u32(&c);
		const uint8_t *name = cursor_bytes(&c, name_size), *desc;
		struct usdt_probe probe;

		cursor_align(&c, notes.data, 4);
		desc = cursor_bytes(&c, desc_size);
		if (!name || !desc)
			break;
		if (type == NOTE_TYPE && name_size == sizeof(NOTE_NAME) &&
		    !memcmp(name, NOTE_NAME, sizeof(NOTE_NAME)) &&
		    read_note(desc, desc_size, base_now, &probe))
			answer = visit(&probe, user);
		if (cursor_left(&c)) /* the last one's padding may be missing */
			cursor_align(&c, notes.data, 4);
	}
	return answer;
}

/* The 64-bit, 32-bit, 16-bit and low 8-bit names of the first eight. */
static const char *const registers[8][4] = {
	{"rax", "eax", "ax", "al"},  {"rcx", "ecx", "cx", "cl"},  {"rdx", "edx", "dx", "dl"},
	{"rbx", "ebx", "bx", "bl"},  {"rsp", "esp", "sp", "spl"}, {"rbp", "ebp", "bp", "bpl"},
	{"rsi", "esi", "si", "sil"}, {"rdi", "edi", "di", "dil"},
};

static bool is_word(const char *word, size_t length, const char *name)
{
	return strlen(name) == length && !memcmp(word, name, length);
}

static bool is_name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "%rdi" at *at, which moves behind it. */
static bool parse_register(const char **at, uint8_t *ret)
{
	const char *name = *at + 1;
	size_t length = 0;
	char *end;
	long number;

	if (**at != '%')
		return false;
	while (is_name_letter(name[length]))
		length++;
	*at = name + length;
	for (uint8_t r = 0; r < 8; r++) {
		for (int form = 0; form < 4; form++) {
			if (is_word(name, length, registers[r][form])) {
				*ret = r;
				return true;
			}
		}
	}
	/* r8 to r15, with d, w or b for their lower parts */
	if (length < 2 || name[0] != 'r' || name[1] < '0' || name[1] > '9')
		return false;
	number = strtol(name + 1, &end, 10);
	if (number < 8 || number > 15 || end + 1 < name + length ||
	    (end < name + length && !strchr("dwb", *end)))
		return false;
	*ret = (uint8_t)number;
	return true;
}

static bool parse_number(const char **at, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(*at, &end, 0);
	if (end == *at || errno)
		return false;
	*at = end;
	return true;
}

/* "(%base)", "(%base,%index,scale)", "(,%index,scale)" */
static bool parse_memory(const char **at, struct usdt_argument *ret)
{
	int64_t scale = 1;

	(*at)++;
	if (**at == '%' && !parse_register(at, &ret->reg))
		return false;
	if (**at == ',') {
		(*at)++;
		if (!parse_register(at, &ret->index))
			return false;
		if (**at == ',') {
			(*at)++;
			if (!parse_number(at, &scale) ||
			    (scale != 1 && scale != 2 && scale != 4 && scale != 8))
				return false;
		}
	}
	ret->scale = (uint8_t)scale;
	return *(*at)++ == ')' && (ret->reg != USDT_NO_REGISTER || ret->index != USDT_NO_REGISTER);
}

static bool parse_operand(const char **at, struct usdt_argument *ret)
{
	ret->reg = ret->index = USDT_NO_REGISTER;
	if (**at == '$') {
		(*at)++;
		ret->kind = USDT_CONSTANT;
		return parse_number(at, &ret->value);
	}
	if (**at == '%') {
		ret->kind = USDT_REGISTER;
		return parse_register(at, &ret->reg);
	}
	ret->kind = USDT_MEMORY;
	if (**at != '(' && !parse_number(at, &ret->value))
		return false;
	return **at == '(' && parse_memory(at, ret);
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

/* "SIZE@OPERAND". The size may be missing: 8. */
static bool parse_one(const char *at, struct usdt_argument *ret)
{
	struct usdt_argument argument = {.size = 8};
	const char *mark = at + strcspn(at, "@ "), *end = at;
	int64_t size;

	if (*mark == '@') {
		if (!parse_number(&end, &size) || end != mark ||
		    (size != 1 && size != 2 && size != 4 && size != 8 && size != -1 && size != -2 &&
		     size != -4 && size != -8))
			return false;
		argument.size = (int8_t)size;
		end = mark + 1;
	}
	if (!parse_operand(&end, &argument) || (*end && *end != ' '))
		return false;
	*ret = argument;
	return true;
}

int usdt_argument_parse(const char *arguments, unsigned int index, struct usdt_argument *ret)
{
	const char *at = skip_blanks(arguments);

	for (; index && *at; index--)
		at = skip_blanks(at + strcspn(at, " "));
	if (!*at)
		return -ENOENT;
	return parse_one(at, ret) ? 0 : -EINVAL;
}
