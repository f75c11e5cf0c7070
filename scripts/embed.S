/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Embeds one file as read-only bytes. The Makefile gives HF_FILE, and HF_NAME: the file's name with
 * every '.', '-' and '+' turned into '_'. C declares
 *	extern const char hf_asset_NAME_start[], hf_asset_NAME_end[];
 * The byte at _end is 0, so that text may also be read as a string.
 */
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define START PASTE(hf_asset_, HF_NAME, _start)
#define END PASTE(hf_asset_, HF_NAME, _end)

	.section .rodata
	.balign 16
	.globl START
	.type START, @object
START:
	.incbin HF_FILE
	.globl END
	.type END, @object
END:
	.byte 0
	.size START, END - START
	.section .note.GNU-stack, "", @progbits
