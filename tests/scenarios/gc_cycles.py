# SPDX-License-Identifier: GPL-2.0-or-later
"""Each act makes a tree whose nodes know their parent, and lets go of it. --gc=0: without the collector."""
import gc

from course import Course


class Node:
    def __init__(self, parent):
        self.parent = parent
        self.children = []
        self.text = "node %d" % id(self)


def build_tree():
    root = Node(None)
    root.children = [Node(root) for _ in range(5)]
    return len(root.children)


def main():
    course = Course(50)
    if not course.number("gc", 1):
        gc.disable()
    for _ in course.steps():
        build_tree()


if __name__ == "__main__":
    main()
