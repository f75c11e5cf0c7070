#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check-bpf-stack.py OBJECT: how much stack each program of a linked BPF object takes at most, with all that it calls.

Kernels before 6.13 refuse a chain of calls beyond 512 bytes; later ones do not, so the tests of such a machine would not
find one. Each frame is rounded up to 32 bytes and is never 0 (kernel/bpf/verifier.c, check_max_stack_depth_subprog()).
"""

import re
import subprocess
import sys

LIMIT = 512
ROUND = 32
SECTION = re.compile(r"^Disassembly of section (\S+):$")
FUNCTION = re.compile(r"^([0-9a-f]+) <(\S+)>:$")
CODE = re.compile(r"^\s*(\d+):\s+((?:[0-9a-f]{2}[ \t]){8,16})\s*(.*)$")
LOCAL_CALL = "85 10"
STACK = re.compile(r"\(r10 - (0x[0-9a-f]+|\d+)\)")
ADDRESS = re.compile(r"^r(\d+) \+= -(0x[0-9a-f]+|\d+)$")
COPY = re.compile(r"^r(\d+) = r10$")
CALL = re.compile(r"^call (-?0x[0-9a-f]+|-?\d+)$")
LOAD = re.compile(r"^r\d+ = (0x[0-9a-f]+|\d+) ll$")
RELOCATION = re.compile(r"R_BPF_64_(32|64)\s+(\S+)$")


def read_functions(path):
    """Per function: bytes of its own frame, and whom it calls: by name, or where in .text."""
    text = subprocess.run(["llvm-objdump", "-dr", path], check=True, capture_output=True,
                          text=True).stdout
    functions, places, function, copies, target, section = {}, {}, None, set(), 0, ""
    for line in text.split("\n"):
        if SECTION.match(line):
            section = SECTION.match(line).group(1)
        elif FUNCTION.match(line) and not FUNCTION.match(line).group(2).startswith("LBB"):
            address, name = FUNCTION.match(line).groups()
            function = functions[name] = [0, set()]
            copies = set()
            if section == ".text":
                places[int(address, 16)] = name
        elif RELOCATION.search(line):
            name = RELOCATION.search(line).group(2)
            function[1].add(target if name == ".text" else name)
        elif CODE.match(line):
            number, raw, code = CODE.match(line).groups()
            if STACK.search(code):
                function[0] = max(function[0], int(STACK.search(code).group(1), 0))
            elif COPY.match(code):
                copies.add(COPY.match(code).group(1))
            elif ADDRESS.match(code) and ADDRESS.match(code).group(1) in copies:
                function[0] = max(function[0], int(ADDRESS.match(code).group(2), 0))
            elif CALL.match(code):
                target = (int(CALL.match(code).group(1), 0) + 1) * 8
                if raw.startswith(LOCAL_CALL) and target and section == ".text":
                    function[1].add(int(number) * 8 + target)
            elif LOAD.match(code):  # a function that a helper is to call
                target = int(LOAD.match(code).group(1), 0)
    for function in functions.values():
        function[1] = {places.get(called, called) for called in function[1]}
    return functions


def depth(functions, name, way=()):
    if name in way or name not in functions:
        return 0, ()
    own, calls = functions[name]
    deepest = max((depth(functions, called, way + (name,)) for called in calls), default=(0, ()))
    return max(ROUND, (own + ROUND - 1) // ROUND * ROUND) + deepest[0], (f"{name} {own}",) + deepest[1]


def main(path):
    functions = read_functions(path)
    called = set().union(*(calls for _, calls in functions.values()))
    programs = sorted(set(functions) - called)
    bad = 0
    for program in programs:
        size, way = depth(functions, program)
        if size > LIMIT:
            bad += 1
            print(f"{program}: {size} bytes of stack, more than {LIMIT}: {' > '.join(way)}")
    if not programs or not any(own for own, _ in functions.values()):
        print("no program was understood")
        bad += 1
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
