/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One ELF file: 64-bit, little endian, x86-64. It may come from a target (map_files, /proc/PID/root, the
 * vdso's bytes), so every offset and size in it is checked before use, and no loop runs on a count that
 * the file's own size does not bound.
 *
 * Read with pread(2), each byte once, into memory of our own, only the parts that are asked for and never
 * more than 512 MiB a file. Not mmap(2), because a target that truncates its file would kill us by SIGBUS;
 * not libelf, because it reads a header again that was checked before (the target may write meanwhile), takes
 * memory by counts in it, and needs the whole file in memory to do neither.
 *
 * What a function returns as owned by the file stays valid until elf_file_free() or elf_file_forget(). A const file still
 * reads and keeps parts on demand: not thread-safe, one owner. Errors: -ENOENT, -EACCES as open(2); -EBADF not an ELF file;
 * -ENOTSUP 32-bit or foreign machine or byte order; -EINVAL damaged; -ENOMEM.
 */
#ifndef HOLDFAST_ELF_FILE_H
#define HOLDFAST_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX_BYTES 32

/* The bytes that name a binary. size 0: the file carries none. */
struct build_id {
	uint8_t size;
	uint8_t bytes[BUILD_ID_MAX_BYTES];
};

/* Lower-case hex into @text, which holds 2 * BUILD_ID_MAX_BYTES + 1 bytes. */
void build_id_format(const struct build_id *id, char *text);
bool build_id_equal(const struct build_id *a, const struct build_id *b);

struct elf_file;

/* Takes the descriptor over in any case. A regular file; else -EBADF. */
int elf_file_open_fd(int fd, struct elf_file **ret);
int elf_file_open_path(const char *path, struct elf_file **ret);
/* Copies @size bytes at @image (a vdso, a fuzzer's input). */
int elf_file_open_memory(const void *image, size_t size, struct elf_file **ret);
void elf_file_free(struct elf_file *file);
/* Gives back what was read since it was opened: what of it was handed out is not valid any more. Further questions read it anew. */
void elf_file_forget(struct elf_file *file);
/* The descriptor, still the file's own; -1: from memory. For libelf and libdw in process/symbol, which read
 * debug sections that would not fit this module's limit. */
int elf_file_descriptor(const struct elf_file *file);

const struct build_id *elf_file_build_id(const struct elf_file *file);
/* ET_EXEC, ET_DYN */
unsigned elf_file_type(const struct elf_file *file);
uint64_t elf_file_entry(const struct elf_file *file);
/* PT_INTERP's path or NULL (static, a library, damaged). Owned by the file. */
const char *elf_file_interpreter(const struct elf_file *file);

/* One PT_LOAD. */
struct elf_segment {
	uint64_t file_offset, file_bytes, address, memory_bytes;
	bool executable, writable;
};

size_t elf_file_segment_count(const struct elf_file *file);
const struct elf_segment *elf_file_segment(const struct elf_file *file, size_t index);

/*
 * File offset <-> address as linked (module address). -ENOENT if no segment covers it.
 * The bias of an executable mapping (start, offset) is: start - module address of offset. Segments may share a
 * page of the file (lld writes such), and the mapping of the later one begins with the earlier one's tail; so an
 * offset that is the page on which an executable segment begins belongs to that one. Then come the segments
 * that hold the offset itself, and those that merely share its page; executable ones first.
 */
int elf_file_offset_to_address(const struct elf_file *file, uint64_t offset, uint64_t *ret_address);
int elf_file_address_to_offset(const struct elf_file *file, uint64_t address, uint64_t *ret_offset);

/*
 * A section's bytes. Owned by the file. -ENOENT if absent or SHT_NOBITS, -EINVAL if not within the file,
 * -ENOTSUP if compressed (only debug sections are, which libdw reads), -EFBIG past the file's 512 MiB.
 */
struct elf_section {
	const uint8_t *data;
	size_t size;
	uint64_t address;
};

int elf_file_section(const struct elf_file *file, const char *name, struct elf_section *ret);

/* @size bytes of the image as it is loaded (before relocation) at module address @address; NULL if not wholly in
 * one segment's part of the file. Owned by the file. */
const uint8_t *elf_file_image(const struct elf_file *file, uint64_t address, size_t size);

/* Copies the same bytes, which are then not kept: for code that is looked at once, as a whole. -ENOENT: not wholly in
 * one segment's part of the file; -EINVAL: the file became shorter; or the error of pread(2). */
int elf_file_read(const struct elf_file *file, uint64_t address, size_t size, uint8_t *ret);

struct elf_symbol {
	const char *name; /* owned by the file; NUL-terminated inside its string table */
	uint64_t address, size;
	uint8_t type; /* STT_FUNC, STT_OBJECT, STT_GNU_IFUNC, STT_NOTYPE */
	uint8_t bind; /* STB_* */
	bool defined;
	bool dynamic; /* from .dynsym */
};

/* Calls @visit for each symbol of .dynsym and, if there, .symtab; stops at its first non-zero
 * return value and returns that. */
int elf_file_for_each_symbol(const struct elf_file *file,
			     int (*visit)(const struct elf_symbol *symbol, void *user), void *user);

/* The first defined .dynsym (else .symtab) symbol of that name. -ENOENT; -EFBIG: 16 Mi symbols and more. The first time
 * all names are read (0.1 us each), 8 to 16 bytes are kept of each. */
int elf_file_find_symbol(const struct elf_file *file, const char *name, struct elf_symbol *ret);

/* The symbol whose address the dynamic linker stores at module address @slot (a PLT entry's pointer; R_X86_64_JUMP_SLOT,
 * R_X86_64_GLOB_DAT). It may be undefined here. -ENOENT. */
int elf_file_slot_symbol(const struct elf_file *file, uint64_t slot, struct elf_symbol *ret);

/* A pointer that the dynamic linker stores. */
struct elf_slot {
	uint64_t address;
	const char *name; /* of the symbol that it leads to, owned by the file; NULL: by @target */
	uint64_t target;  /* an address as linked; 0: of another module */
	bool resolver;    /* @target is a function that tells where the pointer leads (IRELATIVE) */
};

/* Calls @visit for each (R_X86_64_JUMP_SLOT, _GLOB_DAT, _RELATIVE, _IRELATIVE), at most 16 Mi of them, in the file's
 * order; stops at its first non-zero return value and returns that. -ENOMEM. */
int elf_file_for_each_slot(const struct elf_file *file,
			   int (*visit)(const struct elf_slot *slot, void *user), void *user);

/* Does a function's unwind entry begin at @address? By .eh_frame_hdr's table, so also of stripped functions. False
 * if the file has none. */
bool elf_file_frame_begins(const struct elf_file *file, uint64_t address);
/* DT_NEEDED and DT_SONAME (NULL: none). The names are owned by the file. */
int elf_file_for_each_needed(const struct elf_file *file,
			     int (*visit)(const char *soname, void *user), void *user);
const char *elf_file_soname(const struct elf_file *file);

/* .gnu_debuglink: file name and CRC. -ENOENT. The name is owned by the file. */
int elf_file_debuglink(const struct elf_file *file, const char **ret_name, uint32_t *ret_crc);
/* .gnu_debugdata (xz) decompressed into a file of its own, at most 256 MiB. -ENOENT. */
int elf_file_debugdata(const struct elf_file *file, struct elf_file **ret);

#endif
