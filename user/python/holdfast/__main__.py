# SPDX-License-Identifier: MIT
"""python3 -m holdfast: what the agent answers, from the shell; for trying things out."""
from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from typing import Any, Callable, Dict, List, Optional

from . import AdvancedMemoryProfiler, HoldfastError, HoldfastWarning, __version__, report
from .events import DEFAULT_KINDS

METHODS: Dict[str, Callable[[AdvancedMemoryProfiler], Any]] = {
    "usage": lambda profiler: profiler.get_current_memory_usage(),
    "trends": lambda profiler: profiler.get_memory_trends(),
    "components": lambda profiler: profiler.get_component_memory_usage(),
    "spans": lambda profiler: profiler.get_span_memory_usage(),
    "leaks": lambda profiler: profiler.get_active_leaks(),
    "health": lambda profiler: profiler.health(),
    "gc": lambda profiler: profiler.force_garbage_collection().result(),
}

EPILOG = """\
words that ask the agent (JSON on stdout):
  usage PID        memory of a process now       trends PID      over the last hour
  components PID   by component                  leaks PID       that are active
  spans PID        by span                       gc PID          force a collection
  health           of the agent's targets
  events [PID]     as they happen, until Ctrl-C
words that need none:
  report FILE      what a report says, in a few lines

The agent: --url, HOLDFAST_AGENT, unix:/run/holdfast/agent.sock, http://127.0.0.1:7654.
`holdfast ctl` of the program itself does all this and more."""


def _show_report(path: str) -> None:
    loaded = report.load(path)
    target, verdict = loaded.target, loaded.verdict
    rate = verdict.growth_rate_mb_per_min
    print(f"pid {target.pid} {target.comm}: {verdict.state}, {rate:+.3f} MB/min")
    for finding in loaded.findings:
        print(f"  {finding.state} {finding.growth_rate_mb_per_min:+.3f} MB/min  ", end="")
        place = next((frame for frame in finding.stack if frame.file), None)
        if place is None:
            print(finding.stack[0].function if finding.stack else finding.get("type", ""))
        else:
            print(f"{place.function} {place.file}:{place.line}")
        if finding.recommendation:
            print(f"    {finding.recommendation}")
    for note in loaded.quality.notes:
        print(f"  note: {note}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m holdfast",
        description="The Python client of holdfast's agent.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", nargs="?", choices=[*METHODS, "events", "report"])
    parser.add_argument("argument", nargs="?", metavar="PID|FILE")
    parser.add_argument("--url", help="of the agent: http://HOST:PORT or unix:/PATH")
    parser.add_argument("--version", action="version", version=f"holdfast client {__version__}")
    return parser


def _ask(word: str, pid: Optional[int], url: Optional[str]) -> None:
    options: Dict[str, Any] = {} if pid is None else {"pid": pid}
    with AdvancedMemoryProfiler(url=url, private_agent=False, **options) as profiler:
        if word == "events":
            everything = pid is None
            kinds = None if everything else DEFAULT_KINDS
            with profiler.events(kinds, all_targets=everything) as events:
                for event in events:
                    print(json.dumps(event), flush=True)
            return
        print(json.dumps(METHODS[word](profiler), indent=2))
        for note in profiler.notes:
            print(f"holdfast: {note}", file=sys.stderr)


def main(arguments: Optional[List[str]] = None) -> int:
    """The exit status: 0, 1 after a HoldfastError, 64 for wrong usage."""
    parser = _parser()
    try:
        given = parser.parse_args(arguments)
    except SystemExit as end:
        return 64 if end.code else 0
    if given.word is None:
        parser.print_help()
        return 0
    pid: Optional[int] = None
    if given.word != "report" and given.argument is not None:
        if not given.argument.isdigit() or int(given.argument) == 0:
            print(f"holdfast: {given.argument!r} is no PID", file=sys.stderr)
            return 64
        pid = int(given.argument)
    if given.argument is None and given.word not in ("health", "events"):
        print(f"holdfast: {given.word} of what? Try --help", file=sys.stderr)
        return 64
    warnings.simplefilter("ignore", HoldfastWarning)  # the notes say it
    try:
        if given.word == "report":
            _show_report(given.argument)
        else:
            _ask(given.word, pid, given.url)
        sys.stdout.flush()
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
