# SPDX-License-Identifier: GPL-2.0-or-later
"""Each act notes a line by an extension module (tally.c, --lib=DIR); --forget=1: it loses its copy."""
import sys

from course import Course

LINE_BYTES = 300


def note_line(tally, number, forget):
    tally.note(("line %d " % number).ljust(LINE_BYTES - 1, "."), forget)


def main():
    course = Course(50)
    sys.path.insert(0, course.options["lib"])
    import tally
    forget = course.number("forget", 1)
    for number in course.steps():
        note_line(tally, number, forget)
        if forget:
            course.grew(LINE_BYTES)


if __name__ == "__main__":
    main()
