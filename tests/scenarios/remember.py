# SPDX-License-Identifier: GPL-2.0-or-later
"""Each act looks up a new key and keeps the answer; with --limit=N the oldest of N goes for it."""
import collections

from course import Course

ANSWER_BYTES = 800


def look_up(key):
    return (b"answer %d " % key).ljust(ANSWER_BYTES, b".")


def main():
    course = Course(100)
    limit = course.number("limit", 0)
    answers = collections.OrderedDict()
    for number in course.steps():
        answers[number] = look_up(number)
        if limit and len(answers) > limit:
            answers.popitem(last=False)


if __name__ == "__main__":
    main()
