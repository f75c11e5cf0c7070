# SPDX-License-Identifier: MIT
"""The one exception of this package, and its warning."""
from __future__ import annotations

from typing import List, Optional, Tuple


class HoldfastError(Exception):
    """What went wrong, as the program itself says it: a stable code and three short texts.

    code    "HF-E-..."; an agent's own code, or one of those below
    what    what happened
    why     why it did; "" if nobody knows
    fix     what to do about it; "" if nothing can be done
    status  the HTTP status where an agent answered, else None

    Codes of the client itself:
        HF-E-NOAGENT  no agent answers there, or it went away during the call
        HF-E-TIMEOUT  an agent did not answer in time
        HF-E-ANSWER   an answer that is not one of holdfast's
        HF-E-NOTME    the agent means another process by our pid (another PID namespace)
        HF-E-USAGE    a wrong argument; HF-E-CONFIG: a wrong value in a configuration
        HF-E-NOTFOUND there is no such session, component or leak
        HF-E-NOFILE, HF-E-BADFILE, HF-E-CANTWRITE, HF-E-UNSUPPORTED, HF-E-CLOSED
    """

    def __init__(
        self, code: str, what: str, why: str = "", fix: str = "", status: Optional[int] = None
    ) -> None:
        super().__init__(code, what, why, fix, status)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix
        self.status = status

    def __str__(self) -> str:
        lines: List[str] = [f"[{self.code}] {self.what}"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  do: {self.fix}")
        return "\n".join(lines)

    def __reduce__(self) -> Tuple[type, Tuple[str, str, str, str, Optional[int]]]:
        return (type(self), (self.code, self.what, self.why, self.fix, self.status))

    @property
    def one_line(self) -> str:
        """The same on one line, for a warning or a note."""
        text = f"{self.what} [{self.code}]"
        if self.why:
            text += f": {self.why}"
        if self.fix:
            text += f"; {self.fix}"
        return text


class HoldfastWarning(RuntimeWarning):
    """Something is not as it was asked for, and the program goes on: no agent, or a session lost."""
