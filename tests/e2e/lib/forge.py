# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged copies of a library, for a target that lies: the loader still takes those of LOADED, and nobody those of MAPPED."""
import lzma
import os
import random
import struct
import zlib

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
HUGE = 1 << 60
COMPRESSED = 0x800


class Image:
    """An ELF file of 64 bits, little-endian, and what is where in it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = bytearray(file.read())
        self.header = list(HEADER.unpack_from(self.bytes))
        self.sections = [list(SECTION.unpack_from(self.bytes, self.header[6] + i * SECTION.size))
                         for i in range(self.header[12])]
        names = self.sections[self.header[13]]
        self.names = {}
        for i, section in enumerate(self.sections):
            start = names[4] + section[0]
            self.names[self.bytes[start:self.bytes.index(0, start)].decode()] = i

    def put(self, index=None):
        if index is None:
            HEADER.pack_into(self.bytes, 0, *self.header)
        else:
            SECTION.pack_into(self.bytes, self.header[6] + index * SECTION.size, *self.sections[index])
        return self

    def set(self, name, field, value):
        index = self.names[name]
        self.sections[index][field] = value
        return self.put(index)

    def spoil(self, chance, *beginnings, share=0.05):
        """Random bytes at chance in sections whose names begin so."""
        for name, index in self.names.items():
            section = self.sections[index]
            if not name or not name.startswith(beginnings) or section[1] == 8:
                continue
            for _ in range(max(1, int(section[5] * share))):
                self.bytes[section[4] + chance.randrange(section[5])] = chance.randrange(256)
        return self

    def append(self, name, data, flags=0):
        """The section's content is this from now on."""
        index = self.names[name]
        self.sections[index][2] |= flags
        self.sections[index][4], self.sections[index][5] = len(self.bytes), len(data)
        self.bytes += data
        return self.put(index)


def bomb(image, name):
    """A compressed section that inflates to 64 MiB of zeros, and says so."""
    packed = zlib.compress(bytes(64 << 20), 9)
    return image.append(name, struct.pack("<IIQQ", 1, 0, 64 << 20, 1) + packed, COMPRESSED)


def liar(image, name):
    """A compressed section that says that it inflates to 2^40 bytes."""
    return image.append(name, struct.pack("<IIQQ", 1, 0, 1 << 40, 1) + zlib.compress(b"x" * 1000), COMPRESSED)


def debug_link(image, name):
    """Its debug information is elsewhere: in a file of this name."""
    index = image.names[".comment"]
    strings = image.sections[image.header[13]]
    table = image.bytes[strings[4]:strings[4] + strings[5]]
    image.sections[index][0] = len(table)
    image.put(index).append(".comment", name.encode() + bytes(4 - len(name) % 4) + bytes(4))
    return image.append(".shstrtab", bytes(table) + b".gnu_debuglink\0")


def packed_symbols(image, data):
    """Its symbols are in another file within it, packed by xz."""
    index = image.names[".comment"]
    strings = image.sections[image.header[13]]
    table = image.bytes[strings[4]:strings[4] + strings[5]]
    image.sections[index][0] = len(table)
    image.put(index).append(".comment", lzma.compress(data, preset=0))
    return image.append(".shstrtab", bytes(table) + b".gnu_debugdata\0")


def endless_note(image):
    note = image.names[".note.gnu.build-id"]
    place = image.sections[note][4]
    struct.pack_into("<III", image.bytes, place, 0xffffffff, 0xfffffff8, 3)
    return image


def counts(image, number, names):
    image.header[12], image.header[13] = number, names
    return image.put()


def far_sections(image):
    image.header[6] = HUGE
    return image.put()


def many_sections(image):
    """As many as the first section says, whose count in the header is 0."""
    image.sections[0][5] = 1 << 40
    return counts(image.put(0), 0, 0xffff)


# name: what is done to the image, with a generator of chance
LOADED = {
    "unwind": lambda image, chance: image.spoil(chance, ".eh_frame"),
    "unwind-much": lambda image, chance: image.spoil(chance, ".eh_frame", share=2),
    "debug": lambda image, chance: image.spoil(chance, ".debug_"),
    "debug-much": lambda image, chance: image.spoil(chance, ".debug_", share=2),
    "sections": lambda image, chance: counts(image, 0xfff0, 5),
    "sections-far": lambda image, chance: far_sections(image),
    "sections-many": lambda image, chance: many_sections(image),
    "section-names": lambda image, chance: image.set(".shstrtab", 5, HUGE),
    "symbols-no-size": lambda image, chance: image.set(".symtab", 9, 0),
    "symbols-huge": lambda image, chance: image.set(".symtab", 5, HUGE),
    "symbols-itself": lambda image, chance: image.set(".symtab", 6, image.names[".symtab"]),
    "strings-cut": lambda image, chance: image.set(".strtab", 5, 7),
    "note": lambda image, chance: endless_note(image),
    "bomb": lambda image, chance: bomb(image, ".debug_info"),
    "bomb-lines": lambda image, chance: bomb(image, ".debug_line"),
    "liar": lambda image, chance: liar(image, ".debug_str"),
    "link-to-fifo": lambda image, chance: debug_link(image, "fifo"),
    "link-to-loop": lambda image, chance: debug_link(image, "loop"),
    "packed-bomb": lambda image, chance: packed_symbols(image, bytes(image.bytes) + bytes(256 << 20)),
    "packed-nonsense": lambda image, chance: packed_symbols(image, chance.randbytes(4000)),
}


def everywhere(image, chance):
    for _ in range(200):
        image.bytes[chance.randrange(len(image.bytes))] = chance.randrange(256)
    return image


def segments(image, chance):
    """Its program headers lie."""
    for i in range(image.header[10]):
        place = image.header[5] + i * 56
        struct.pack_into("<QQ", image.bytes, place + 8, chance.choice([0, 1, HUGE, (1 << 64) - 1]), chance.getrandbits(64))
        struct.pack_into("<QQ", image.bytes, place + 32, HUGE, (1 << 64) - 4096)
    return image


MAPPED = {"everywhere": everywhere, "segments": segments}


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def loaded(library, folder, seed):
    """Paths of all copies that can be loaded, by name."""
    chance = random.Random(seed)
    return {name: write(os.path.join(folder, f"{name}.so"), damage(Image(library), chance).bytes)
            for name, damage in LOADED.items()}


def mapped(library, folder, seed):
    """Paths of files that are no libraries any more."""
    chance = random.Random(seed)
    whole = Image(library).bytes
    paths = [write(os.path.join(folder, f"{name}-{i}"), damage(Image(library), chance).bytes)
             for i in range(5) for name, damage in MAPPED.items()]
    paths += [write(os.path.join(folder, f"cut-{size}"), whole[:size])
              for size in (1, 15, 16, 63, 64, 65, 1000, len(whole) // 2, len(whole) - 1)]
    paths.append(sparse(os.path.join(folder, "sparse"), whole))
    return paths


def sparse(path, whole):
    """A file of a terabyte, or of what the file system takes; its table of sections is at its end, and its first is as large."""
    for size in (1 << 40, 1 << 34):
        try:
            write(path, whole)
            os.truncate(path, size)
            break
        except OSError:
            continue
    header = list(HEADER.unpack_from(whole))
    header[6], header[12], header[13] = size - 3 * SECTION.size, 3, 1
    with open(path, "r+b") as file:
        file.write(HEADER.pack(*header))
        file.seek(header[6] + SECTION.size)
        file.write(SECTION.pack(0, 3, 0, 0, 4096, size - 8192, 0, 0, 1, 0))
        file.write(SECTION.pack(1, 2, 0, 0, 4096, size - 8192, 1, 0, 8, 24))
    return path


def odd_names(library, folder):
    """The same file under names that are no good to show."""
    found = []
    with open(library, "rb") as file:
        data = file.read()
    for name in (b"new\nline.so", b"\x1b[31mred\x1b[0m.so", b"\xff\xfe\xc3(.so", b"x (deleted)", b"quote\"\\\\u0000.so", b"a b.so",
                 b"\xe2\x80\xaertl.so", b"%s%n$(id)`.so"):
        path = os.path.join(os.fsencode(folder), name)
        write(path, data)
        found.append(path)
    return found
