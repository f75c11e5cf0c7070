# SPDX-License-Identifier: MIT
"""Keeps a private agent for one process, and never lets it outlive that one.

Run as a program of its own, without the package: keeper.py PARENT DIRECTORY COMMAND...
It leaves its parent (which is then free of children it knows nothing of), starts COMMAND, and ends
it when the parent has ended, in whatever way, or writes to our stdin. Should we be killed, the
kernel ends COMMAND. DIRECTORY is removed at the end; when COMMAND ended by itself, its status is
in DIRECTORY/ended until then.
"""
import ctypes
import os
import select
import signal
import sys
import time
from typing import List, Optional

PR_SET_PDEATHSIG = 1
PATIENCE_S = 10.0
POLL_S = 0.5  # where there are no descriptors of processes
LOG_BYTES = 1 << 20


def pidfd(pid: int) -> Optional[int]:
    """A descriptor that becomes readable when the process ends; None if the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def start(command: List[str], log: str) -> int:
    """COMMAND in a process group of its own; it gets SIGTERM when we die."""
    me = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != me:
            os._exit(1)
        null = os.open(os.devnull, os.O_RDWR)
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.dup2(errors, 2)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def gone(pid: int, descriptor: Optional[int]) -> bool:
    """Has the process ended, that we are no parent of?"""
    if descriptor is not None:
        return bool(select.select([descriptor], [], [], 0)[0])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def signal_group(child: int, number: int) -> None:
    for kill, pid in ((os.killpg, child), (os.kill, child)):
        try:
            kill(pid, number)
            return
        except OSError:
            continue


def end(child: int) -> None:
    """SIGTERM, and SIGKILL for what does not heed it."""
    signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.02)
    else:
        signal_group(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)  # what it left behind
    except OSError:
        pass


def remove(directory: str) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def trim(log: str) -> None:
    try:
        if os.stat(log).st_size > LOG_BYTES:
            os.truncate(log, 0)
    except OSError:
        pass


def keep(parent: int, parent_fd: Optional[int], child: int, directory: str) -> None:
    """Until the parent ends or tells us to, or somebody sends us SIGTERM."""
    told: List[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    child_fd: Optional[int] = pidfd(child)
    running = True
    while not told:
        watched = [0] + [fd for fd in (parent_fd, child_fd) if fd is not None]
        known = parent_fd is not None and (child_fd is not None or not running)
        ready = select.select(watched, [], [], 60.0 if known else POLL_S)[0]
        if 0 in ready or gone(parent, parent_fd):
            break
        if running:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                running, child_fd = False, None
                with open(os.path.join(directory, "ended"), "w", encoding="ascii") as file:
                    code = os.WTERMSIG(status) + 128 if os.WIFSIGNALED(status) else status >> 8
                    file.write(str(code))
        trim(os.path.join(directory, "agent.log"))
    if running:
        end(child)


def main(arguments: List[str]) -> int:
    parent, directory, command = int(arguments[0]), arguments[1], arguments[2:]
    parent_fd = pidfd(parent)
    if os.getppid() != parent:  # it ended before we had a hold of it
        remove(directory)
        return 1
    if os.fork():
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        keep(parent, parent_fd, start(command, os.path.join(directory, "agent.log")), directory)
    finally:
        remove(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
